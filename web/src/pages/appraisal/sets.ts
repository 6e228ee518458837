import { computed } from "vue";
import { api, of, type Schema } from "@/api/client";
import { me, organisations } from "@/frame/session";
import { load } from "@/parts/load";
import { both } from "@/words";

export type SetLine = Schema["SetLine"];

/** The city's sets of indicators, and the titles of what is in them. */
export function useSets() {
  const found = load(() => of(api.GET("/api/appraisal/sets")));
  const set = (name: string) => found.data.value?.find((each) => each.name === name);
  const indicator = (name: string, of: string) => set(name)?.set.indicators.find((each) => each.name === of);
  return {
    ...found,
    set,
    titleOf: (name: string, of: string) => both(indicator(name, of)?.title) || of,
    /** What can be filed for an indicator. */
    fileable: (name: string, of: string) => (set(name)?.fileable ?? []).filter((each) => each.indicator === of),
  };
}

/** Whether the caller's organisation is the one that appraises. */
export const appraises = computed(() => organisations.value.get(me.value?.organisation ?? "")?.kind === "platform");

/** How the state of a filing or an appeal is coloured; what still waits for somebody is in amber. */
export const TONES: Record<string, "good" | "bad" | "plain"> = {
  accepted: "good",
  upheld: "good",
  rejected: "bad",
  dismissed: "bad",
  withdrawn: "plain",
};
