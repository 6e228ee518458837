import { api, of, type Schema } from "@/api/client";
import { load, type Load } from "@/parts/load";
import { both } from "@/words";

interface Declaration {
  title: Schema["Text"];
  /** The fields by which a record is asked for. */
  key: string[];
  fields: { name: string; title: Schema["Text"]; personal?: boolean }[];
}

export const declared = (entry: Schema["EntryDetail"] | undefined) => entry?.declaration as Declaration | undefined;

/** The fields of a dataset by name, in the reader's language. */
export const titlesOf = (entry: Schema["EntryDetail"] | undefined): Record<string, string> =>
  Object.fromEntries((declared(entry)?.fields ?? []).map((field) => [field.name, both(field.title)]));

/** The catalogue's entry of a dataset, as soon as it is known which. */
export const entryOf = (dataset: () => string | undefined): Load<Schema["EntryDetail"] | undefined> =>
  load(async () => {
    const named = dataset();
    return named
      ? of(api.GET("/api/catalogue/entries/{dataset}", { params: { path: { dataset: named } } }))
      : undefined;
  }, dataset);
