import { charts } from "./en/charts";
import { daily } from "./en/daily";
import { forms } from "./en/forms";
import { map } from "./en/map";
import { proof } from "./en/proof";
import { registers } from "./en/registers";
import { sources } from "./en/sources";
import type { Apart, Whole } from "./areas";

const AREAS = [daily, registers, proof, map, forms, charts, sources] as const;
type Areas = typeof AREAS;

/** Refuses to compile where two areas have the same key, and names it. */
export const apart: Apart<Areas> = true;

/** What the console says, by area. The Chinese side of each must have the same keys, or it does not compile. */
export const en: Whole<Areas> = Object.assign({}, ...AREAS);

export type Key = keyof typeof en;
