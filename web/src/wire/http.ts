import { isRecord, type Outcome } from "./frames.ts";

export interface Session {
  readonly session_id: string;
  readonly title: string;
  readonly status: "open" | "closed";
  readonly updated_at: string;
}

export interface HistoryMark {
  readonly type: string;
  readonly at_char: number;
  readonly [fact: string]: unknown;
}

export interface HistoryMessage {
  readonly id: string;
  readonly role: "user" | "assistant";
  readonly turn_id: string;
  readonly content: string;
  readonly at: string;
  readonly models: readonly string[];
  readonly marks: readonly HistoryMark[];
  readonly outcome: Outcome | null;
  readonly note: string | null;
}

export interface History {
  readonly event_id: string | null;
  readonly open_turn: string | null;
  readonly open_message: string | null;
  readonly messages: readonly HistoryMessage[];
  /** Accepted messages whose turns have not begun. */
  readonly waiting?: readonly HistoryMessage[];
}

/** How long an answer to a plain request may take before the connection counts as lost. */
const PATIENCE_MS = 10_000;

/**
 * A request that came to nothing.
 *
 * `status` is 0 when no answer of the server arrived at all. `retryable` says that the same request may succeed later
 * as it is; `retryAfterS` when that makes sense, in seconds.
 */
export class RequestError extends Error {
  readonly status: number;
  readonly retryable: boolean;
  readonly retryAfterS: number | null;

  constructor(status: number, detail: string, retryable: boolean, retryAfterS: number | null = null) {
    super(detail);
    this.name = "RequestError";
    this.status = status;
    this.retryable = retryable;
    this.retryAfterS = retryAfterS;
  }
}

/** The error that a response stands for, from its problem document where it has one. */
export async function problemOf(response: Response): Promise<RequestError> {
  const text = await response.text().catch(() => "");
  let document: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (isRecord(parsed)) document = parsed;
  } catch {
    // Not a problem document: something between us and the server answered. The status has to do.
  }
  const detail = document["detail"];
  const after = document["retry_after_s"] ?? Number(response.headers.get("Retry-After") ?? Number.NaN);
  const transient = response.status >= 500 || response.status === 429 || response.status === 408;
  return new RequestError(
    response.status,
    typeof detail === "string" ? detail : `The server answered ${response.status}.`,
    typeof document["retryable"] === "boolean" ? document["retryable"] : transient,
    typeof after === "number" && Number.isFinite(after) ? after : null,
  );
}

async function request(method: string, path: string, body?: unknown): Promise<unknown> {
  const init: RequestInit = {
    method,
    headers: { Accept: "application/json" },
    signal: AbortSignal.timeout(PATIENCE_MS),
  };
  if (body !== undefined) {
    init.headers = { ...init.headers, "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new RequestError(0, "The server cannot be reached.", true);
  }
  if (!response.ok) throw await problemOf(response);
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch {
    throw new RequestError(0, "The server's answer broke off.", true);
  }
}

const at = (session: string): string => `/ai/sessions/${encodeURIComponent(session)}`;

export const eventsPath = (session: string): string => `${at(session)}/events`;

export async function listSessions(before: string | null = null): Promise<readonly Session[]> {
  const query = before === null ? "" : `&before=${encodeURIComponent(before)}`;
  const answer = (await request("GET", `/ai/sessions?limit=50${query}`)) as { sessions: Session[] };
  return answer.sessions;
}

export async function fetchSession(session: string): Promise<Session> {
  return (await request("GET", at(session))) as Session;
}

export async function createSession(): Promise<string> {
  const answer = (await request("POST", "/ai/sessions", { session_type: "chat" })) as { session_id: string };
  return answer.session_id;
}

export async function renameSession(session: string, title: string): Promise<void> {
  await request("PATCH", at(session), { title });
}

export async function deleteSession(session: string): Promise<void> {
  await request("DELETE", at(session));
}

export async function fetchHistory(session: string): Promise<History> {
  return (await request("GET", `${at(session)}/history`)) as History;
}

/** Hands a message over; the same id again is the same message. Gives the id of its turn. */
export async function postMessage(session: string, id: string, content: string): Promise<string> {
  const answer = (await request("POST", `${at(session)}/messages`, { id, content })) as { turn_id: string };
  return answer.turn_id;
}

export async function cancelTurn(session: string, turn: string | null): Promise<void> {
  await request("POST", `${at(session)}/cancel`, turn === null ? {} : { turn_id: turn });
}

/** Takes a parked turn up again, as a new one. */
export async function recoverSession(session: string): Promise<void> {
  await request("POST", `${at(session)}/recover`, {});
}
