import type { Schema } from "@/api/client";
import type { Label } from "@/parts/form/labels";
import { t, type Key } from "@/words";
import type { Figure } from "./Given.vue";

/** What was filled in, as claims; what was left empty is not claimed. */
export const claimsOf = (given: Record<string, Figure>): Schema["Claim"][] =>
  Object.entries(given)
    .filter(([, each]) => each.good !== "")
    .map(([of, each]) => ({ of, good: each.good, total: each.total || "0" }));

export const figuresOf = (claims: readonly Schema["Claim"][]): Record<string, Figure> =>
  Object.fromEntries(
    claims.map((each) => [each.of, { good: each.good, total: Number(each.total) ? (each.total ?? "") : "" }]),
  );

export const told = (claim: Schema["Claim"]) => (Number(claim.total) ? `${claim.good}/${claim.total}` : claim.good);

const FIELDS: Record<string, { title: Key; hint?: Key; long?: boolean }> = {
  statement: { title: "filing_statement", hint: "filing_statement_hint", long: true },
  reason: { title: "appeal_reason", hint: "appeal_reason_hint", long: true },
  documents: { title: "documents", hint: "documents_hint" },
  "documents.title": { title: "document_title" },
  "documents.where": { title: "document_where", hint: "document_where_hint" },
  "documents.sha256": { title: "fingerprint", hint: "document_hash_hint" },
};
export function labels(path: string): Label | undefined {
  const found = FIELDS[path];
  if (!found) return undefined;
  return { title: t(found.title), ...(found.hint ? { hint: t(found.hint) } : {}), long: found.long ?? false };
}
