/** How the state of a dispute over a source is coloured; what still waits for somebody is in amber. */
export const TONES: Record<string, "good" | "plain"> = { moved: "good", confirmed: "good", withdrawn: "plain" };
