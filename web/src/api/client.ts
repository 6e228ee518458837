import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema";

export type Schema = components["schemas"];

/** What the server says is wrong and what to do about it (RFC 9457), in the reader's language. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly remedy: string,
    readonly request: string,
  ) {
    super(detail);
  }
}

/** Nobody answers: the network or the server is away. */
export class Away extends Error {}

let language = "zh";
let csrf = "";
let whenSignedOut: () => void = () => undefined;

export function speak(next: string): void {
  language = next;
}

export function signedIn(token: string): void {
  csrf = token;
}

export function onSignedOut(tell: () => void): void {
  whenSignedOut = tell;
}

type Tell = (there: boolean) => void;
const told = new Set<Tell>();
let there = true;
const AGAIN = 2000;

/** Tells when nobody answers any more, and when the city does again; returns what ends it. */
export function onReach(tell: Tell): () => void {
  told.add(tell);
  return () => void told.delete(tell);
}

/** Nobody answers: from now on it is looked for by itself, until somebody does. */
export function unreached(): void {
  if (!there) return;
  there = false;
  for (const tell of [...told]) tell(false);
  const look = async () => {
    const found = await fetch("/healthz", { cache: "no-store" }).catch(() => undefined);
    if (found?.ok) reached();
    if (!there) setTimeout(() => void look(), AGAIN);
  };
  setTimeout(() => void look(), AGAIN);
}

function reached(): void {
  if (there) return;
  there = true;
  for (const tell of [...told]) tell(true);
}

const door: Middleware = {
  onRequest({ request }) {
    request.headers.set("accept-language", language);
    if (request.method !== "GET") request.headers.set("x-csrf-token", csrf);
    return request;
  },
};

export const api = createClient<paths>({ baseUrl: "" });
api.use(door);

interface Answer<T> {
  data?: T | undefined;
  error?: unknown;
  response: Response;
}

/** The answer's body. Throws Problem where the server refuses, Away where there is none. */
export async function of<T>(asked: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await asked;
  } catch {
    unreached();
    throw new Away();
  }
  if (answer.response.ok) return answer.data as T;
  const problem = problemOf(answer);
  if (problem.status === 401) whenSignedOut();
  throw problem;
}

function problemOf(answer: Answer<unknown>): Problem {
  const told = (answer.error ?? {}) as Partial<Schema["ProblemDocument"]>;
  const request = (told.instance ?? "").split(":").pop() ?? "";
  const { status } = answer.response;
  if (!told.code && status >= 500) {
    unreached();
    throw new Away();
  }
  return new Problem(status, told.code ?? String(status), told.detail ?? "", told.remedy ?? "", request);
}
