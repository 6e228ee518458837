import { computed, shallowRef } from "vue";
import { api, Away, of, Problem } from "@/api/client";
import type { Key } from "@/words";
import { has, me } from "./session";

export type Source = "sharing" | "quality" | "appraisal";

export interface News {
  source: Source;
  id: number;
  kind: string;
  subject: string;
  due: string;
  /** Where it is seen to; empty where the console has no page for it. */
  to: string;
}

const MOST = 100;
const key = (source: Source) => `cityloom_seen_${source}:${me.value?.account ?? ""}`;
const seen = (source: Source) => Number(localStorage.getItem(key(source)) ?? 0);

/** What the city told this person's organisation of deadlines, and this browser has not shown yet; the newest first. */
export const news = shallowRef<readonly News[]>([]);
export const many = computed(() => news.value.length >= MOST);

export const WORDS: Record<string, Key> = {
  warning: "notice_warning",
  overdue: "notice_overdue",
  escalation: "notice_escalation",
};

async function ask(): Promise<News[]> {
  const query = (source: Source) => ({ params: { query: { after: seen(source), limit: MOST } } });
  const [sharing, quality, appraisal] = await Promise.all([
    of(api.GET("/api/sharing/notices", query("sharing"))),
    of(api.GET("/api/quality/notices", query("quality"))),
    of(api.GET("/api/appraisal/notices", query("appraisal"))),
  ]);
  const told = (source: Source, to: (id: string) => string) => (each: (typeof sharing)[number]) => ({
    source,
    id: each.id,
    kind: each.kind,
    subject: each.subject,
    due: each.due_at,
    at: each.at,
    to: to(each.subject),
  });
  return [
    ...sharing.map(told("sharing", (id) => `/requests/${encodeURIComponent(id)}`)),
    ...quality.map((each) =>
      told("quality", (id) => `/tickets/${encodeURIComponent(id)}`)({ ...each, subject: each.ticket }),
    ),
    ...appraisal.map(told("appraisal", appraisalPlace)),
  ].sort((one, other) => other.at.localeCompare(one.at));
}

/** A notice names what it is about as `filing:…` or `appeal:…`. */
function appraisalPlace(subject: string): string {
  const [kind = "", ...id] = subject.split(":");
  return `/appraisal/${kind}s/${encodeURIComponent(id.join(":"))}`;
}

/** Looks again; a server that does not answer just now is asked the next time. */
export async function hear(): Promise<void> {
  if (!has("data_officer", "steward", "analyst")) return;
  try {
    news.value = await ask();
  } catch (error) {
    if (!(error instanceof Problem || error instanceof Away)) throw error;
  }
}

/** All that is shown was read. */
export function read(): void {
  for (const source of ["sharing", "quality", "appraisal"] as const) {
    const last = Math.max(seen(source), ...news.value.filter((each) => each.source === source).map((each) => each.id));
    localStorage.setItem(key(source), String(last));
  }
  news.value = [];
}
