import type { Schema } from "@/api/client";
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
