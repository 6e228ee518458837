import { both } from "@/words";
import type { InjectionKey, Ref } from "vue";
import type { Shape, Wrong } from "./shape";

/** What stands at a field; by the field's path without places, such as `items.name`. */
export interface Label {
  title: string;
  hint?: string;
  /** Prose, with room for some lines. */
  long?: boolean;
  /** Takes a whole line of its own. */
  wide?: boolean;
}
export type Labels = (path: string) => Label | undefined;

/** What may be chosen at a field, where it is known only at run time, or what the values are called. */
export type Choices = (path: string) => readonly { value: string; title: string }[] | undefined;

/** Something that is said at a field from outside, such as by the server. */
export interface Remark {
  tone: "bad" | "care";
  text: string;
  remedy?: string;
}

const said = (text: Shape["title"]) => (typeof text === "object" ? both(text) : (text ?? ""));

export const bare = (path: string) => path.replace(/\.\d+/g, "");

/** The page's own words, else the schema's, else the field's name. */
export function labelOf(labels: Labels | undefined, path: string, shape: Shape): Required<Label> {
  const given = labels?.(bare(path));
  return {
    long: given?.long ?? false,
    wide: given?.wide ?? false,
    title: given?.title || said(shape.title) || (path.split(".").at(-1) ?? path),
    hint: given?.hint ?? said(shape.description),
  };
}

/** What a form knows for all its fields, however deep they stand. */
export interface Whole {
  labels: Labels | undefined;
  choices: Choices | undefined;
  remarks: Readonly<Record<string, readonly Remark[]>>;
  faults: Readonly<Record<string, Wrong>>;
  /** Where somebody was already; what is wrong elsewhere is not held against him yet. */
  touched: ReadonlySet<string>;
  everywhere: boolean;
  touch: (path: string) => void;
}
export const WHOLE: InjectionKey<Ref<Whole>> = Symbol("form");
