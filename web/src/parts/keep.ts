/** What is seen, kept: a picture or a table as a file, each with all that it needs to be understood alone. */

export interface Step {
  colour: string;
  words: string;
}

export interface Sheet {
  title: string;
  under: string;
  legend: readonly Step[];
  source: string;
}

const MARGIN = 24;
const LINE = 26;

const token = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** A PNG of what was drawn, with its title above and its legend and source below. */
export async function picture(drawn: HTMLCanvasElement, sheet: Sheet, name: string): Promise<void> {
  const scale = devicePixelRatio;
  const [width, height] = [drawn.width / scale, drawn.height / scale];
  const top = MARGIN * 2 + LINE * 2;
  const foot = MARGIN * 2 + LINE * (sheet.legend.length + 1);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [drawn.width, (top + height + foot) * scale];
  const pen = canvas.getContext("2d") as CanvasRenderingContext2D;
  pen.scale(scale, scale);
  pen.fillStyle = token("panel");
  pen.fillRect(0, 0, width, top + height + foot);
  const write = (words: string, x: number, y: number, size: number, colour = "ink", weight = 400) => {
    pen.font = `${weight} ${size}px ${token("font")}`;
    pen.fillStyle = token(colour);
    pen.fillText(words, x, y, width - x - MARGIN);
  };
  write(sheet.title, MARGIN, MARGIN + LINE, 22, "ink", 620);
  write(sheet.under, MARGIN, MARGIN + LINE * 2, 15, "ink-soft");
  pen.drawImage(drawn, 0, top, width, height);
  let y = top + height + MARGIN;
  for (const step of sheet.legend) {
    pen.fillStyle = step.colour;
    pen.fillRect(MARGIN, y, 26, 16);
    pen.strokeStyle = token("map-border");
    pen.strokeRect(MARGIN, y, 26, 16);
    write(step.words, MARGIN + 38, y + 13, 14);
    y += LINE;
  }
  write(sheet.source, MARGIN, y + 16, 13, "ink-soft");
  const made = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
  if (made) save(made, `${name}.png`);
}

/** A table for spreadsheets: CSV, UTF-8 with byte order mark. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[], name: string): void {
  const text = [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n");
  save(new Blob(["\uFEFF", text, "\r\n"], { type: "text/csv;charset=utf-8" }), `${name}.csv`);
}

function cell(value: string | number): string {
  if (typeof value === "number") return String(value);
  // a spreadsheet takes a cell that begins so for a formula
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function save(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
