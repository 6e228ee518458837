import type { Schema } from "@/api/client";
import type { Remark } from "@/parts/form/labels";
import { faultsOf, plain, type Shape, type Values } from "@/parts/form/shape";

export type Wish = Schema["ResourceWish"];
type Tried = Schema["ResourceTrial"];

/** What somebody who has only begun is not told yet. */
const EARLY = new Set([
  "catalogue.resource.no_title",
  "catalogue.resource.no_items",
  "catalogue.resource.item_without_name",
]);

/** The description as it is sent: what does not apply is left out. */
export function tidy(wish: Wish): Wish {
  const nothing = { en: "", zh: "" };
  return {
    ...wish,
    sharing_condition: wish.sharing === "conditional" ? (wish.sharing_condition ?? nothing) : nothing,
    refusal_law: wish.sharing === "refused" ? (wish.refusal_law ?? nothing) : null,
    open_condition: wish.openness === "conditional" ? (wish.open_condition ?? nothing) : nothing,
    related: (wish.related ?? []).filter((each) => each),
    derived_from: (wish.derived_from ?? []).filter((each) => each),
  };
}

/** Whether the server can read it; what is only missing it says itself. */
export const readable = (schema: Shape, wish: Wish) =>
  Object.values(faultsOf(plain(schema).shape, wish as unknown as Values)).every(
    (each) => each.word === "form_required",
  );

/** Where a fault stands in the form. */
function placeOf(schema: Shape, fault: Schema["DescriptionFault"]): string {
  const { field, item } = fault;
  const known = plain(schema).shape.properties ?? {};
  const inside = plain(known["items"]?.items ?? {}).shape.properties ?? {};
  if (field === "item") return item === null || item === undefined ? "items" : `items.${item}.name`;
  if (item !== null && item !== undefined && inside[field]) return `items.${item}.${field}`;
  return known[field] ? field : "";
}

/** What the server said, at the fields that it is about; the rest under no field. */
export function remarksOf(schema: Shape, wish: Wish, tried: Tried, early: boolean): Record<string, Remark[]> {
  const found: Record<string, Remark[]> = {};
  const say = (path: string, remark: Remark) => (found[path] = [...(found[path] ?? []), remark]);
  for (const fault of tried.faults)
    if (!early || !EARLY.has(fault.code))
      say(placeOf(schema, fault), { tone: "bad", text: fault.problem, remedy: fault.remedy });
  for (const finding of tried.findings) {
    const place = wish.items.findIndex((each) => (each.name.zh || each.name.en) === finding.field);
    if (place >= 0) say(`items.${place}.name`, { tone: "care", text: finding.problem });
  }
  return found;
}
