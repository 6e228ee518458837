import type { Schema } from "@/api/client";
import { table } from "@/parts/keep";

const COLUMNS = ["position", "time", "actor", "organisation", "action", "subject", "purpose", "request"] as const;

/** Hands out the entries that are shown as a file. */
export function save(entries: readonly Schema["AuditEntry"][]): void {
  const rows = entries.map((entry) => [...COLUMNS.map((name) => String(entry[name])), JSON.stringify(entry.facts)]);
  const name = `audit-${entries.at(-1)?.position ?? 0}-${entries[0]?.position ?? 0}`;
  table([...COLUMNS, "facts"], rows, name);
}
