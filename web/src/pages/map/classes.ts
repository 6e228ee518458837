/** Figures put into few classes, so that a map of them can be read. */

export interface Classes {
  /** Lowest and highest figure of each class, the least first. */
  ranges: readonly (readonly [number, number])[];
  /** Whether the middle is "no change" and both sides go away from it. */
  diverging: boolean;
  of: (value: number) => number;
}

const MOST = 5;

/** Up to five classes with about as many areas in each; equal figures are never parted. */
export function classes(values: readonly number[]): Classes {
  const sorted = [...values].sort((one, other) => one - other);
  const distinct = [...new Set(sorted)];
  const starts =
    distinct.length <= MOST
      ? distinct
      : [
          ...new Set(
            Array.from({ length: MOST }, (_, place) => sorted[Math.floor((place * sorted.length) / MOST)] ?? 0),
          ),
        ];
  const ranges = starts.map((start, place) => {
    const next = starts[place + 1];
    const inside = distinct.filter((value) => value >= start && (next === undefined || value < next));
    return [start, inside.at(-1) ?? start] as const;
  });
  return { ranges, diverging: false, of: (value) => starts.findLastIndex((start) => value >= start) };
}

/** Much less, less, the same, more, much more: parted where half of the changes are larger. */
export function changes(values: readonly number[]): Classes {
  const sizes = values
    .filter((value) => value !== 0)
    .map(Math.abs)
    .sort((one, other) => one - other);
  const much = Math.max(sizes[Math.floor(sizes.length / 2)] ?? 1, 1);
  const most = Math.max(sizes.at(-1) ?? much, much);
  const ranges = [
    [-most, -much - 1],
    [-much, -1],
    [0, 0],
    [1, much],
    [much + 1, most],
  ] as const;
  const of = (value: number) => (value === 0 ? 2 : value < -much ? 0 : value < 0 ? 1 : value <= much ? 3 : 4);
  return { ranges, diverging: true, of };
}
