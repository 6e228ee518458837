import type { Schema } from "@/api/client";
import { organisation } from "@/frame/session";
import type { Difference } from "@/parts/Diff.vue";
import type { Label } from "@/parts/form/labels";
import { both, day, t, type Key } from "@/words";

/** What the fields of a description are called, and what helps to fill them in. */
const FIELDS: Record<string, { title: Key; hint?: Key; long?: boolean; wide?: boolean }> = {
  title: { title: "describe_title" },
  subject: { title: "describe_subject", hint: "describe_subject_hint" },
  summary: { title: "summary", hint: "describe_summary_hint", long: true },
  legal_basis: { title: "legal_basis", hint: "describe_legal_basis_hint", long: true },
  category: { title: "describe_category", hint: "describe_category_hint" },
  code: { title: "describe_code", hint: "describe_code_hint" },
  keeper: { title: "keeper" },
  keeper_code: { title: "describe_keeper_code", hint: "describe_keeper_code_hint" },
  sharing: { title: "sharing" },
  sharing_condition: { title: "condition", hint: "describe_condition_hint", long: true },
  sharing_way: { title: "describe_way" },
  refusal_law: { title: "describe_refusal_law", hint: "describe_refusal_law_hint", long: true },
  openness: { title: "openness" },
  open_condition: { title: "describe_open_condition", long: true },
  cycle: { title: "update_cycle" },
  carrier: { title: "describe_carrier" },
  format: { title: "format", hint: "describe_format_hint" },
  issued: { title: "describe_issued" },
  related: { title: "describe_related" },
  derived_from: { title: "describe_derived", hint: "describe_derived_hint" },
  regraded: { title: "describe_regraded", hint: "describe_regraded_hint", long: true },
  dataset: { title: "dataset" },
  items: { title: "items", hint: "describe_items_hint" },
  "items.name": { title: "describe_item_name" },
  "items.type": { title: "item_type" },
  "items.length": { title: "describe_length" },
  "items.element": { title: "describe_element", hint: "describe_element_hint" },
  "items.qualifier": { title: "describe_qualifier", hint: "describe_qualifier_hint" },
  "items.grade": { title: "grade", hint: "describe_grade_hint" },
  "items.personal": { title: "describe_personal" },
  "items.required": { title: "describe_required" },
  "items.authoritative": { title: "describe_authoritative", hint: "describe_authoritative_hint" },
  "items.standard": { title: "describe_standard" },
};

export function labels(path: string): Label | undefined {
  const found = FIELDS[path];
  if (!found) return undefined;
  const { title, hint, long = false, wide = false } = found;
  return { title: t(title), ...(hint ? { hint: t(hint) } : {}), long, wide };
}

/** The values that mean something, and the beginnings of their words. */
const VALUES: Record<string, { words: string; values: readonly string[] }> = {
  sharing: { words: "sharing_", values: ["unconditional", "conditional", "refused"] },
  openness: { words: "openness_", values: ["open", "conditional", "closed"] },
  cycle: {
    words: "cycle_",
    values: ["real_time", "day", "week", "month", "quarter", "half_year", "year", "irregular"],
  },
  carrier: {
    words: "carrier_",
    values: ["document", "spreadsheet", "database", "image", "stream", "self_described", "interface", "other"],
  },
  sharing_way: {
    words: "way_of_",
    values: ["platform", "exchange", "query", "interface", "file", "mail", "copy", "medium"],
  },
  "items.type": {
    words: "type_",
    values: ["text", "integer", "decimal", "number", "boolean", "date", "timestamp", "binary"],
  },
};

export function choices(path: string): { value: string; title: string }[] | undefined {
  if (path === "items.grade")
    return [1, 2, 3, 4].map((each) => ({ value: String(each), title: t("grade_text", { grade: each }) }));
  const found = VALUES[path];
  return found?.values.map((value) => ({ value, title: t(`${found.words}${value}` as Key) }));
}

const isText = (value: object): value is Schema["Text"] => "zh" in value && "en" in value;

/** A value of a description in words. */
function said(path: string, value: unknown): string {
  if (value === null || value === undefined || value === "") return t("none");
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (Array.isArray(value)) return value.length ? value.map((each) => said(path, each)).join(", ") : t("none");
  if (typeof value === "object") return isText(value) ? both(value) || t("none") : item(value as Schema["Item"]);
  const text = String(value);
  if (path === "keeper") return both(organisation(text));
  if (path === "issued") return day(text);
  return choices(path)?.find((each) => each.value === text)?.title ?? text;
}

/** An item as a whole: what it is, and what matters about it. */
function item(one: Schema["Item"]): string {
  return [
    both(one.name),
    t(`type_${one.type ?? "text"}`),
    t("grade_text", { grade: one.grade ?? 1 }),
    ...(one.personal ? [t("personal")] : []),
    ...(one.authoritative ? [t("authoritative")] : []),
  ].join(" · ");
}

/** What differs between two versions, as people read it; `items.姓名.grade` is the grade of the item 姓名. */
export function differences(changes: readonly Schema["Change"][]): Difference[] {
  return changes.map((change) => {
    const [first = "", ...rest] = change.path.split(".");
    const inside = first === "items" && rest.length > 0;
    const last = rest.at(-1) ?? "";
    // an item's own name may hold a dot; what follows the last one counts only where it is a field
    const field = inside && rest.length > 1 && FIELDS[`items.${last}`] ? `items.${last}` : inside ? "items" : first;
    const name = field === "items" ? rest.join(".") : rest.slice(0, -1).join(".");
    const title = FIELDS[field]?.title;
    const read = (text: string | null) => (text === null ? null : said(field, JSON.parse(text)));
    const words = title ? t(title) : field;
    return {
      title: inside ? (field === "items" ? `${t("item")}: ${name}` : `${name}: ${words}`) : words,
      before: read(change.before),
      after: read(change.after),
      breaking: change.breaking,
    };
  });
}
