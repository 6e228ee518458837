import type { Schema } from "@/api/client";

const COLUMNS = ["position", "time", "actor", "organisation", "action", "subject", "purpose", "request"] as const;
const cell = (text: string) => {
  // a spreadsheet takes a cell that begins so for a formula
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

/** Hands out the entries that are shown as a file for Excel (CSV, UTF-8 with byte order mark). */
export function save(entries: readonly Schema["AuditEntry"][]): void {
  const lines = entries.map((entry) =>
    [...COLUMNS.map((name) => String(entry[name])), JSON.stringify(entry.facts)].map(cell).join(","),
  );
  const content = `\ufeff${[[...COLUMNS, "facts"].join(","), ...lines].join("\r\n")}\r\n`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "text/csv" }));
  link.download = `audit-${entries.at(-1)?.position ?? 0}-${entries[0]?.position ?? 0}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}
