/** How a grant's state is coloured. */
export const TONES: Record<string, "good" | "bad" | "plain"> = {
  active: "good",
  revoked: "bad",
  given_back: "plain",
  expired: "plain",
  unused: "plain",
};
