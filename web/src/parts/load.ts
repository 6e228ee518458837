import { onScopeDispose, ref, shallowRef, watch, type Ref, type WatchSource } from "vue";
import { Away, onReach, Problem } from "@/api/client";

export interface Load<T> {
  data: Ref<T | undefined>;
  trouble: Ref<Problem | Away | undefined>;
  busy: Ref<boolean>;
  again: () => Promise<void>;
}

/**
 * What `ask` answers, asked anew whenever `about` changes, and when a city that did not answer is back; an answer that comes
 * late is dropped.
 */
export function load<T>(ask: () => Promise<T>, about: WatchSource = () => 0): Load<T> {
  const data = shallowRef<T>();
  const trouble = shallowRef<Problem | Away>();
  const busy = ref(false);
  let turn = 0;

  async function again(): Promise<void> {
    const mine = ++turn;
    busy.value = true;
    try {
      const found = await ask();
      if (mine === turn) [data.value, trouble.value] = [found, undefined];
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Away)) throw error;
      if (mine === turn) trouble.value = error;
    } finally {
      if (mine === turn) busy.value = false;
    }
  }

  watch(about, again, { immediate: true });
  onScopeDispose(() => ++turn);
  onScopeDispose(onReach((there) => void (there && trouble.value instanceof Away && again())));
  return { data, trouble, busy, again };
}
