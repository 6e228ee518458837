/** How the state of a draft is coloured; what still waits for somebody is in amber. */
export const TONES: Record<string, "good" | "bad" | "plain"> = {
  published: "good",
  approved: "good",
  withdrawn: "plain",
};
