import type { Schema } from "@/api/client";
import { count, t, type Key } from "@/words";

export type Indicator = Schema["IndicatorState"]["name"];
export type Level = Schema["MapLevel"]["level"];

/** From the widest to the narrowest. */
export const LEVELS: readonly Level[] = ["city", "district", "street", "community", "grid", "school"];
/** How long the code of a division is. */
export const DIGITS: Partial<Record<Level, number>> = { city: 0, district: 6, street: 9, community: 12 };

/** The level of a division by its code. */
export function levelOf(code: string): Level {
  return LEVELS.find((level) => DIGITS[level] === code.length) ?? "community";
}

/** The ways from the city to an area: its wider divisions and itself. */
export function pathTo(code: string): string[] {
  return [6, 9, 12].filter((digits) => code.length >= digits).map((digits) => code.slice(0, digits));
}

const PEOPLE: Record<string, Key> = { "": "map_all", H: "map_h", R: "map_r", N: "map_n" };
const CENTRES: Record<string, Key> = { high: "map_high", low: "map_low", centres: "map_centres" };
const SCENARIOS: Record<string, Key> = { all: "map_scenario_all", points: "map_scenario_points" };
const MODELS: Record<string, Key> = { cohort: "map_model_cohort", trend: "map_model_trend" };

/** What a kind of figure is called; empty for those that no map shows. */
export function kindTitle(indicator: Indicator, kind: string): string {
  if (indicator === "population") return kind in PEOPLE ? t(PEOPLE[kind] as Key) : "";
  if (indicator === "health_centres") return kind in CENTRES ? t(CENTRES[kind] as Key) : "";
  const [scenario = "", model = "", year = "", what = ""] = kind.split(":");
  if (what !== "gap" || !(scenario in SCENARIOS) || !(model in MODELS)) return "";
  return t("map_gap_title", {
    year,
    scenario: t(SCENARIOS[scenario] as Key),
    model: t(MODELS[model] as Key),
  });
}

const UNITS: Record<Indicator, Key> = {
  population: "map_people",
  health_centres: "map_centre_unit",
  school_pressure: "map_place_unit",
};

/** A figure with its unit. */
export const inUnits = (indicator: Indicator, value: number) => t(UNITS[indicator], { count: count(value) });

/** The order in which kinds are offered. */
export function inOrder(indicator: Indicator, kinds: string[]): string[] {
  const wanted = indicator === "population" ? Object.keys(PEOPLE) : Object.keys(CENTRES);
  return indicator === "school_pressure" ? kinds : wanted.filter((kind) => kinds.includes(kind));
}
