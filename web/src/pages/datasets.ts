import { shallowRef, watch } from "vue";
import { api, of } from "@/api/client";
import { language } from "@/words";

/** The catalogue's titles of datasets, asked once for each language. */
const titles = shallowRef<ReadonlyMap<string, string>>(new Map());
let asked = "";

async function learn(): Promise<void> {
  if (asked === language.value) return;
  asked = language.value;
  try {
    const listed = await of(api.GET("/api/catalogue/entries"));
    titles.value = new Map(listed.map((each) => [each.name, each.title]));
  } catch {
    asked = ""; // the names are shown until it works
  }
}

/** To be called by a page that shows `datasetTitle`. */
export function useDatasets(): void {
  void learn();
  watch(language, () => void learn());
}

export const datasetTitle = (name: string) => titles.value.get(name) ?? name;
