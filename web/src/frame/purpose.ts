import { shallowRef, watch } from "vue";
import type { Schema } from "@/api/client";
import { me } from "./session";

/** What personal data is opened for: asked once, kept for this tab, and sent with every question. */
export interface Matter {
  account: string;
  purpose: string;
  title: Schema["Text"];
  case: string;
}

const KEPT = "cityloom_matter";

function kept(): Matter | undefined {
  const text = sessionStorage.getItem(KEPT);
  const found = text ? (JSON.parse(text) as Matter) : undefined;
  return found && found.account === me.value?.account ? found : undefined;
}

export const matter = shallowRef<Matter | undefined>(kept());

export function begin(purpose: string, title: Schema["Text"], reference: string): void {
  matter.value = { account: me.value?.account ?? "", purpose, title, case: reference };
  sessionStorage.setItem(KEPT, JSON.stringify(matter.value));
}

export function end(): void {
  matter.value = undefined;
  sessionStorage.removeItem(KEPT);
}

// somebody else at this tab does not go on with it
watch(me, (now) => {
  if (now) matter.value = kept();
  else end();
});

/** The header that names the purpose. */
export const purposeHeader = () => ({ "x-purpose": matter.value?.purpose ?? "" });
