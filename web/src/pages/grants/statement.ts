import type { Schema } from "@/api/client";

/** What an answer states; the server signs this text as it stands. */
export interface Statement {
  use: string;
  found: boolean;
  record: Record<string, unknown> | null;
  matches: Record<string, boolean> | null;
  at: string;
  audit_position: number;
}

export const statementOf = (answer: Schema["Answer"]) => JSON.parse(answer.statement) as Statement;
