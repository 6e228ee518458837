import type { Key } from "./en";
import { daily } from "./zh/daily";
import { forms } from "./zh/forms";
import { map } from "./zh/map";
import { proof } from "./zh/proof";
import { registers } from "./zh/registers";

export const zh: Record<Key, string> = { ...daily, ...registers, ...proof, ...map, ...forms };
