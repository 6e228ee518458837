import { shallowRef } from "vue";
import { api, of, type Schema } from "@/api/client";

/** What the console is told once: the city, and the flows with the words for their states and moves. */
export const frame = shallowRef<Schema["Frame"]>();

export async function learn(): Promise<void> {
  frame.value = await of(api.GET("/api/console/frame"));
}

const flow = (kind: string) => frame.value?.flows.find((each) => each.kind === kind);

export const stateOf = (kind: string, name: string) =>
  flow(kind)?.states.find((state) => state.name === name)?.title ?? { en: name, zh: name };

export const moveOf = (kind: string, name: string) =>
  flow(kind)?.moves.find((move) => move.name === name)?.title ?? { en: name, zh: name };

/** The moves that these roles can make from a state. */
export const movesFrom = (kind: string, state: string, roles: readonly string[]) =>
  (flow(kind)?.moves ?? []).filter(
    (move) => move.from.includes(state) && move.roles.some((role) => roles.includes(role)),
  );
