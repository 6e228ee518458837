/** How a ticket's state is coloured; what still waits for somebody is in amber. */
export const TONES: Record<string, "good" | "bad" | "plain"> = {
  corrected: "good",
  dismissed: "bad",
  withdrawn: "plain",
  settled: "plain",
};
