import type { Schema } from "@/api/client";
import { count } from "@/words";

/** How a grant's state is coloured. */
export const TONES: Record<string, "good" | "bad" | "plain"> = {
  active: "good",
  revoked: "bad",
  given_back: "plain",
  expired: "plain",
  unused: "plain",
};

/** How much of the day's quota is used; questions over it were counted, and not answered. */
export function quotaOf(grant: Schema["Grant"]): string {
  const most = grant.terms.per_day ?? 10_000;
  return `${count(Math.min(grant.used_today, most))} / ${count(most)}`;
}
