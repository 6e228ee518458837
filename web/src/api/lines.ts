/** The first `most` objects of a stream of lines of JSON; the rest is not fetched. */
export async function firstLines<T>(stream: ReadableStream<Uint8Array>, most: number): Promise<T[]> {
  const reader = stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  const found: T[] = [];
  let rest = "";
  while (found.length < most) {
    const { done, value } = await reader.read();
    const lines = (rest + (value ?? "")).split("\n");
    rest = done ? "" : (lines.pop() ?? "");
    for (const line of lines) if (line.trim()) found.push(JSON.parse(line) as T);
    if (done) break;
  }
  await reader.cancel();
  return found.slice(0, most);
}
