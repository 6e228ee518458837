import { daily } from "./en/daily";
import { forms } from "./en/forms";
import { map } from "./en/map";
import { proof } from "./en/proof";
import { registers } from "./en/registers";

/** What the console says, by area. The Chinese side of each must have the same keys, or it does not compile. */
export const en = { ...daily, ...registers, ...proof, ...map, ...forms } as const;

export type Key = keyof typeof en;
