/** The frames of `/ai/sessions/{id}/events`: AG-UI 1.0, as far as this page understands it. */

export type Outcome =
  "completed" | "degraded" | "cached" | "output_limit" | "filtered" | "cancelled" | "failed" | "parked";

/** What a client can do about the state it is in. */
export interface Guidance {
  readonly state: string;
  readonly reason?: string | null;
  readonly action?: string | null;
  readonly retry_after_s?: number | null;
  readonly resume_from?: string | null;
}

export interface WireMessage {
  readonly id: string;
  readonly role: string;
  readonly content?: unknown;
  readonly name?: string;
}

export interface RunStarted {
  readonly type: "RUN_STARTED";
  readonly threadId: string;
  readonly runId: string;
  readonly input?: { readonly messages?: readonly WireMessage[] };
}

export interface RunResult {
  readonly outcome?: Outcome;
  readonly kind?: string | null;
  readonly message?: string | null;
  readonly models?: readonly string[];
}

export interface RunFinished {
  readonly type: "RUN_FINISHED";
  readonly threadId: string;
  readonly runId: string;
  readonly result?: RunResult;
}

export interface RunError {
  readonly type: "RUN_ERROR";
  readonly runId?: string;
  readonly message: string;
  readonly code?: string;
  readonly guidance?: Guidance;
}

export interface TextStart {
  readonly type: "TEXT_MESSAGE_START";
  readonly messageId: string;
  readonly name?: string;
}

export interface TextContent {
  readonly type: "TEXT_MESSAGE_CONTENT";
  readonly messageId: string;
  readonly delta: string;
}

export interface TextEnd {
  readonly type: "TEXT_MESSAGE_END";
  readonly messageId: string;
}

export interface Snapshot {
  readonly type: "MESSAGES_SNAPSHOT";
  readonly messages: readonly WireMessage[];
}

export interface Custom {
  readonly type: "CUSTOM";
  readonly name: string;
  readonly value: Readonly<Record<string, unknown>>;
}

export type Frame = RunStarted | RunFinished | RunError | TextStart | TextContent | TextEnd | Snapshot | Custom;

const KNOWN: ReadonlySet<string> = new Set([
  "RUN_STARTED",
  "RUN_FINISHED",
  "RUN_ERROR",
  "TEXT_MESSAGE_START",
  "TEXT_MESSAGE_CONTENT",
  "TEXT_MESSAGE_END",
  "MESSAGES_SNAPSHOT",
  "CUSTOM",
]);

/**
 * Reads one frame; null for a type that this page does not know, which a newer server may well send.
 *
 * Throws a SyntaxError when the data is not JSON: then it does not come from our server, and the stream is given up.
 */
export function parseFrame(data: string): Frame | null {
  const value: unknown = JSON.parse(data);
  if (!isRecord(value) || typeof value["type"] !== "string" || !KNOWN.has(value["type"])) return null;
  if (value["type"] === "CUSTOM" && !isRecord(value["value"])) return { ...value, value: {} } as unknown as Custom;
  return value as unknown as Frame;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
