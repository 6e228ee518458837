import { api, of, type Schema } from "@/api/client";
import type { Indicator, Level } from "./kinds";

/** As the door has it; the client forgets how many numbers a box has. */
export type Area = Omit<Schema["MapArea"], "bounds" | "middle"> & { bounds: number[] | null; middle: number[] | null };
export type Computation = Schema["Computation"];
type Figure = Schema["indicators_contracts_Figure"];

/** One line of the table, and what the map shows of an area. */
export interface Line {
  area: Area;
  /** Null: hidden, because it could stand for too few; undefined: there is no figure. */
  value: number | null | undefined;
  before: number | null | undefined;
  /** What is shown: the figure, or how it changed. */
  shown: number | null | undefined;
}

const PAGE = 10_000;

/** All pages of a list. */
async function whole<T>(page: (after: string) => Promise<T[]>, last: (item: T) => string): Promise<T[]> {
  const found: T[] = [];
  for (let after = ""; ;) {
    const some = await page(after);
    found.push(...some);
    const end = some.at(-1);
    if (some.length < PAGE || end === undefined) return found;
    after = last(end);
  }
}

/** Areas of the drawn version: with other figures or another day they are the same, and are not asked for again. */
const drawn = new Map<string, Promise<Area[]>>();
const KEPT = 24;

export function areasIn(level: Level, within: string, version: string | undefined): Promise<Area[]> {
  const name = `${version ?? ""} ${level} ${within}`;
  const known = drawn.get(name);
  if (known) return known;
  const asked = whole<Area>(
    (after) => of(api.GET("/api/maps/areas", { params: { query: { level, within, after, limit: PAGE } } })),
    (area) => area.code,
  );
  drawn.set(name, asked);
  asked.catch(() => drawn.delete(name));
  if (drawn.size > KEPT) drawn.delete(drawn.keys().next().value ?? name);
  return asked;
}

export function figuresOf(indicator: Indicator, id: string, level: Level, kind?: string): Promise<Figure[]> {
  const path = { indicator, id };
  const query = { level, limit: PAGE, ...(kind === undefined ? {} : { kind }) };
  return whole<Figure>(
    (after) =>
      of(
        api.GET("/api/indicators/{indicator}/{id}/figures", {
          params: { path, query: { ...query, ...(after ? { after } : {}) } },
        }),
      ),
    (figure) => `${figure.area}/${figure.kind}`,
  );
}

export function lines(areas: readonly Area[], now: readonly Figure[], before: readonly Figure[] | undefined): Line[] {
  const values = new Map(now.map((figure) => [figure.area, figure.value]));
  const olds = before && new Map(before.map((figure) => [figure.area, figure.value]));
  return areas.map((area) => {
    const value = values.get(area.code);
    const old = olds?.get(area.code);
    return { area, value, before: old, shown: olds ? difference(value, old) : value };
  });
}

function difference(now: Line["value"], before: Line["value"]): Line["value"] {
  if (now === undefined || before === undefined) return undefined;
  return now === null || before === null ? null : now - before;
}
