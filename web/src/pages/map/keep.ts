/** The map as a picture and its table as a file, each with all that it needs to be understood alone. */
import { both, day } from "@/words";
import type { Computation, Line } from "./figures";
import type { Step } from "./Legend.vue";

export interface Sheet {
  title: string;
  under: string;
  legend: readonly Step[];
  source: string;
}

const MARGIN = 24;
const LINE = 26;

export async function picture(map: HTMLCanvasElement, sheet: Sheet, name: string): Promise<void> {
  const style = getComputedStyle(document.documentElement);
  const token = (wanted: string) => style.getPropertyValue(`--${wanted}`).trim();
  const scale = devicePixelRatio;
  const [width, height] = [map.width / scale, map.height / scale];
  const top = MARGIN * 2 + LINE * 2;
  const foot = MARGIN * 2 + LINE * (sheet.legend.length + 1);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [map.width, (top + height + foot) * scale];
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
  pen.drawImage(map, 0, top, width, height);
  let y = top + height + MARGIN;
  for (const step of [...sheet.legend].reverse()) {
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

export function table(
  lines: readonly Line[],
  words: readonly string[],
  now: Computation,
  before: Computation | undefined,
  name: string,
): void {
  const figure = (value: Line["value"], hidden: string) => (value === null ? hidden : (value ?? ""));
  const [code = "", area = "", change = "", hidden = ""] = words;
  const head = [code, area, day(now.on), ...(before ? [day(before.on), change] : [])];
  const rows = lines.map((line) => [
    line.area.code,
    both(line.area.name),
    figure(line.value, hidden),
    ...(before ? [figure(line.before, hidden), figure(line.shown, hidden)] : []),
  ]);
  const text = [head, ...rows].map((row) => row.map((cell) => quoted(String(cell))).join(",")).join("\r\n");
  // the mark by which spreadsheets know UTF-8
  save(new Blob(["\uFEFF", text, "\r\n"], { type: "text/csv;charset=utf-8" }), `${name}.csv`);
}

const quoted = (cell: string) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

function save(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
