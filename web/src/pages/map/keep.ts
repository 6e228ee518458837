/** The map's table as a file. */
import { table as keep } from "@/parts/keep";
import { both, day } from "@/words";
import type { Computation, Line } from "./figures";

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
  keep(head, rows, name);
}
