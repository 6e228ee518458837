/** How a request's state is coloured; what still waits for somebody is in amber. */
export const TONES: Record<string, "good" | "bad" | "plain"> = {
  approved: "good",
  refused: "bad",
  withdrawn: "plain",
  lapsed: "plain",
};
