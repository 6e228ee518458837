import { shallowRef } from "vue";

/** A value that somebody disputes where he saw it. Goes to the form by hand: keys and values never stand in an address. */
export interface Raised {
  dataset: string;
  key: string[];
  field: string;
  grant: string;
  use: string;
  /** Left out where it was not shown. */
  value?: string | null;
}

export const raised = shallowRef<Raised>();

export function raise(next: Raised): void {
  raised.value = next;
}
