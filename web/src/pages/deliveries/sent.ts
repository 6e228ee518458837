/** Which rows of a delivery were handed in again from this browser: the exchange knows the deliveries, not the rows. */
const key = (dataset: string, delivery: string) => `cityloom_mended:${dataset}/${delivery}`;

export function sentBack(dataset: string, delivery: string): number[] {
  const kept: unknown = JSON.parse(localStorage.getItem(key(dataset, delivery)) ?? "[]");
  return Array.isArray(kept) ? kept.filter((each): each is number => typeof each === "number") : [];
}

export function keep(dataset: string, delivery: string, rows: readonly number[]): void {
  localStorage.setItem(key(dataset, delivery), JSON.stringify([...new Set(rows)]));
}
