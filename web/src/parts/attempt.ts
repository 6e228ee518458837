import { ref, shallowRef, type Ref } from "vue";
import { Away, Problem } from "@/api/client";

export interface Attempt {
  busy: Ref<boolean>;
  /** Why the last try came to nothing. */
  trouble: Ref<Problem | Away | undefined>;
  run: (task: () => Promise<void>) => Promise<void>;
}

/** What somebody sets off by hand; a second press while it runs does nothing. */
export function attempt(): Attempt {
  const busy = ref(false);
  const trouble = shallowRef<Problem | Away>();

  async function run(task: () => Promise<void>): Promise<void> {
    if (busy.value) return;
    [busy.value, trouble.value] = [true, undefined];
    try {
      await task();
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Away)) throw error;
      trouble.value = error;
    } finally {
      busy.value = false;
    }
  }

  return { busy, trouble, run };
}
