import type { Schema } from "@/api/client";
import { day, minute, t } from "@/words";

/** A value as people read it. */
export function shown(value: unknown): string {
  if (value === null || value === undefined || value === "") return t("none");
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (typeof value === "object") return JSON.stringify(value);
  const text = String(value);
  if (/^\d{4}-\d{2}-\d{2}$/.test(text)) return day(text);
  return /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}[\d:.]*(Z|[+-]\d{2}:\d{2})$/.test(text) ? minute(text) : text;
}

export interface Change {
  name: string;
  before: string;
  after: string;
}

/** What a version says otherwise than the one before it. */
export function changes(before: Schema["Version"] | undefined, after: Schema["Version"]): Change[] {
  if (!before) return [];
  const names = new Set([...Object.keys(before.values), ...Object.keys(after.values)]);
  return [...names]
    .map((name) => ({ name, before: shown(before.values[name]), after: shown(after.values[name]) }))
    .filter((each) => each.before !== each.after);
}
