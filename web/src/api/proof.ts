import { api, of, Problem, type Schema } from "./client";

/** What came of checking something here, in the browser, without believing the server's word for it. */
export type Verdict = "proved" | "wrong" | "unable";

const hex = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const base64 = (text: string) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const same = (one: Uint8Array, other: Uint8Array) =>
  one.length === other.length && one.every((byte, place) => byte === other[place]);

/** Browsers give no cryptography to pages that came over plain HTTP from another machine, and older ones no Ed25519. */
const subtle = () => (globalThis.crypto as Crypto | undefined)?.subtle as SubtleCrypto | undefined;

async function keyOf(id: string): Promise<CryptoKey | "wrong" | "unable"> {
  const { keys } = await of(api.GET("/.well-known/jwks.json"));
  const found = keys.find((each) => each.kid === id);
  if (!found) return "wrong";
  const jwk = { kty: "OKP", crv: "Ed25519", x: found.x };
  try {
    return (await subtle()?.importKey("jwk", jwk, { name: "Ed25519" }, false, ["verify"])) ?? "unable";
  } catch {
    return "unable";
  }
}

/** Whether the city's key, as it stands at /.well-known/jwks.json, signed exactly this text (Ed25519, RFC 8032). */
export async function verifySignature(text: string, algorithm: string, key: string, value: string): Promise<Verdict> {
  if (algorithm !== "Ed25519" || !subtle()) return "unable";
  const found = await keyOf(key);
  if (found === "wrong" || found === "unable") return found;
  const good = await subtle()?.verify({ name: "Ed25519" }, found, base64(value), new TextEncoder().encode(text));
  return good ? "proved" : "wrong";
}

async function digest(...parts: Uint8Array[]): Promise<Uint8Array> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new Uint8Array((await subtle()?.digest("SHA-256", whole)) ?? new ArrayBuffer(0));
}

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
const half = (number: number) => Math.floor(number / 2);

/** Whether the path leads from the entry to the root that the head names (RFC 9162, 2.1.3.2). */
async function leadsToRoot(document: Schema["InclusionProof"]): Promise<boolean> {
  const { position, entry, head } = document;
  if (position >= head.size || !entry.startsWith(`{"position":${position},`)) return false;
  let [place, last] = [position, head.size - 1];
  let found = await digest(LEAF, new TextEncoder().encode(entry));
  for (const sibling of document.proof.map(hex)) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      found = await digest(NODE, sibling, found);
      while (place > 0 && place % 2 === 0) [place, last] = [half(place), half(last)];
    } else {
      found = await digest(NODE, found, sibling);
    }
    [place, last] = [half(place), half(last)];
  }
  return last === 0 && same(found, hex(head.root));
}

/** The bytes that a head's signature is over: its JSON without the signature, keys sorted, no spaces. */
function signedText(head: Schema["SignedHead"]): string {
  const { algorithm, hash, key, log, root, size, time } = head;
  return JSON.stringify({ algorithm, hash, key, log, root, size, time, type: head.type ?? "cityloom.audit.head/1" });
}

/** Whether the entry stands in the log whose head the city signed: `path` of the hashes, `head` of the signature. */
export async function verifyInclusion(document: Schema["InclusionProof"]): Promise<{ path: Verdict; head: Verdict }> {
  const { head } = document;
  if (head.hash !== "SHA-256" || !subtle()) return { path: "unable", head: "unable" };
  return {
    path: (await leadsToRoot(document)) ? "proved" : "wrong",
    head: await verifySignature(signedText(head), head.algorithm, head.key, head.signature),
  };
}

const PAUSE = 1000;
const MOST = 20;

/** Asks for the proof of an entry that may be so new that the next head does not sign it yet: that takes a second or so. */
export async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let turn = 1; ; turn++) {
    try {
      return await ask();
    } catch (error) {
      const soon = error instanceof Problem && error.code === "audit.entry_not_signed" && turn < MOST;
      if (!soon) throw error;
      await new Promise((done) => setTimeout(done, PAUSE));
    }
  }
}
