import type { Schema } from "@/api/client";

let waiting: Schema["Record"] | undefined;

/** A record that a search has read goes to its page by hand: an identifier never stands in an address, nor is read twice. */
export function hand(record: Schema["Record"]): void {
  waiting = record;
}

export function handed(register: string, id: string): Schema["Record"] | undefined {
  const found = waiting?.register === register && waiting.id === id ? waiting : undefined;
  waiting = undefined;
  return found;
}
