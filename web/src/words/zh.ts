import type { Key } from "./en";
import { charts } from "./zh/charts";
import { daily } from "./zh/daily";
import { forms } from "./zh/forms";
import { map } from "./zh/map";
import { proof } from "./zh/proof";
import { registers } from "./zh/registers";
import { sources } from "./zh/sources";
import type { Apart, Whole } from "./areas";

const AREAS = [daily, registers, proof, map, forms, charts, sources] as const;

export const apart: Apart<typeof AREAS> = true;

export const zh: Record<Key, string> = Object.assign({}, ...AREAS) as Whole<typeof AREAS>;
