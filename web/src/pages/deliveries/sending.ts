const MEDIA: Record<string, string> = {
  csv: "text/csv",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  parquet: "application/vnd.apache.parquet",
  ndjson: "application/x-ndjson",
};
const media = (name: string) => MEDIA[name.toLowerCase().replace(/\.gz$/, "").split(".").pop() ?? ""] ?? "text/csv";

/** The id is the content's hash: the same file sent twice, by an impatient hand or a broken line, is kept once. */
export async function idOf(content: Blob): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await content.arrayBuffer()));
  const hash = [...digest.slice(0, 6)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${new Date().toISOString().slice(0, 10)}-${hash}`;
}

/** What goes along with a file as the body of a request. */
export function sending(content: File) {
  const gzip = content.name.toLowerCase().endsWith(".gz");
  return {
    body: content as unknown as never,
    bodySerializer: (body: unknown) => body as Blob,
    headers: { "content-type": media(content.name), ...(gzip ? { "content-encoding": "gzip" } : {}) },
  };
}

const cell = (text: string) =>
  /[",\r\n]/.test(text) || text !== text.trim() ? `"${text.replaceAll('"', '""')}"` : text;

/** Rows as a file (RFC 4180, UTF-8). */
export function csv(name: string, header: readonly string[], rows: readonly (readonly string[])[]): File {
  const lines = [header, ...rows].map((line) => line.map(cell).join(","));
  return new File([`${lines.join("\r\n")}\r\n`], name, { type: "text/csv" });
}
