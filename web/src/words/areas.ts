/** Puts areas of words together: types by which a key in two areas does not compile, where one would silently hide the other. */
export type Twice<Areas extends readonly object[], Seen = never> = Areas extends readonly [
  infer First,
  ...infer Others extends readonly object[],
]
  ? (keyof First & Seen) | Twice<Others, Seen | keyof First>
  : never;

type Joined<Area> = (Area extends object ? (area: Area) => void : never) extends (whole: infer Whole) => void
  ? Whole
  : never;

export type Whole<Areas extends readonly object[]> = Joined<Areas[number]>;

/** `true` where each key is in one area; else the keys that are in two. */
export type Apart<Areas extends readonly object[]> = [Twice<Areas>] extends [never] ? true : Twice<Areas>;
