/** A text in pieces, those marked in which it differs from the other one: what stands between the same beginning and end. */
export interface Piece {
  text: string;
  differs: boolean;
}

export function pieces(text: string, other: string): Piece[] {
  const [mine, theirs] = [Array.from(text), Array.from(other)];
  const most = Math.min(mine.length, theirs.length);
  let start = 0;
  while (start < most && mine[start] === theirs[start]) start += 1;
  let end = 0;
  while (end < most - start && mine[mine.length - 1 - end] === theirs[theirs.length - 1 - end]) end += 1;
  return [
    { text: mine.slice(0, start).join(""), differs: false },
    { text: mine.slice(start, mine.length - end).join(""), differs: true },
    { text: mine.slice(mine.length - end).join(""), differs: false },
  ].filter((each) => each.text !== "");
}
