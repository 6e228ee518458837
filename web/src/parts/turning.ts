import { computed, ref, type Ref } from "vue";
import { load, type Load } from "./load";

export interface Turning<T> extends Load<T[]> {
  first: Ref<boolean>;
  last: Ref<boolean>;
  back: () => void;
  on: () => void;
  anew: () => void;
}

/** A list in pages of `size`, each asked for from where the one before ended; `cursor` says where that is. */
export function turning<T, C>(
  ask: (after: C | undefined, limit: number) => Promise<T[]>,
  cursor: (last: T) => C,
  size: number,
): Turning<T> {
  const path = ref([]) as Ref<C[]>;
  // one more than is shown tells whether there are others
  const found = load(
    () => ask(path.value.at(-1), size + 1),
    () => path.value,
  );
  return {
    ...found,
    data: computed(() => found.data.value?.slice(0, size)),
    first: computed(() => path.value.length === 0),
    last: computed(() => (found.data.value?.length ?? 0) <= size),
    back: () => (path.value = path.value.slice(0, -1)),
    on: () => {
      const end = found.data.value?.[size - 1];
      if (end !== undefined) path.value = [...path.value, cursor(end)];
    },
    anew: () => (path.value = []),
  };
}
