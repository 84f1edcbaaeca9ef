import { createSession, postMessage, RequestError } from "../wire/http.ts";

/**
 * A message on its way to the server.
 *
 * `id` is the client's own id, the same over all attempts, so that the server takes the message once. `session` is the
 * session's id, or `draft:…` for a conversation that the server does not know yet. `turn` is set once the server has
 * accepted the message; it then waits in line until its turn starts.
 */
export interface Outgoing {
  readonly id: string;
  readonly session: string;
  readonly content: string;
  readonly turn: string | null;
  readonly refusal: string | null;
}

export interface OutboxPort {
  changed(): void;
  /** A draft has become a session of the server. */
  settled(draft: string, session: string): void;
}

const KEY = "yaoki.outbox";
const LONGEST_WAIT_MS = 15_000;

export const isDraft = (session: string): boolean => session.startsWith("draft:");

/**
 * Keeps what was sent until the server has it: over lost connections, and over reloads of the page.
 *
 * All tabs share one outbox, and one tab at a time empties it. Where tabs cannot agree (no locks outside a secure
 * context) a message may be posted by two of them; its id makes that one message.
 */
export class Outbox {
  /** Why nothing can be sent at the moment; null while all is well. */
  problem: string | null = null;
  private readonly port: OutboxPort;
  private entries: Outgoing[] = stored() ?? [];
  private pumping = false;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(port: OutboxPort) {
    this.port = port;
    addEventListener("storage", (event) => {
      if (event.key !== KEY) return;
      this.adopt();
    });
    addEventListener("online", this.now);
  }

  of(session: string): readonly Outgoing[] {
    return this.entries.filter((entry) => entry.session === session);
  }

  add(session: string, content: string): void {
    const entry: Outgoing = { id: newId(), session, content, turn: null, refusal: null };
    this.write((entries) => [...entries, entry]);
    this.now();
  }

  remove(ids: readonly string[]): void {
    if (this.entries.some((entry) => ids.includes(entry.id))) {
      this.write((entries) => entries.filter((entry) => !ids.includes(entry.id)));
    }
  }

  /** Forgets everything of a session that is gone. */
  drop(session: string): void {
    this.remove(this.of(session).map((entry) => entry.id));
  }

  /** Tries a refused message again, as it is. */
  retry(id: string): void {
    this.update(id, { refusal: null });
    this.now();
  }

  /** Sends what is left, without waiting any longer. */
  readonly now = (): void => {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    void this.pump();
  };

  private async pump(): Promise<void> {
    if (this.pumping) return;
    this.pumping = true;
    try {
      await alone(async () => {
        this.adopt();
        for (let next = this.next(); next; next = this.next()) await this.deliver(next);
      });
      this.failures = 0;
      this.problem = null;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.later(error);
    } finally {
      this.pumping = false;
      if (this.timer === null && this.next()) this.now();
    }
  }

  /** The oldest message that is not with the server, leaving out conversations in which one was refused. */
  private next(): Outgoing | undefined {
    const stuck = new Set(this.entries.filter((entry) => entry.refusal !== null).map((entry) => entry.session));
    return this.entries.find((entry) => entry.turn === null && !stuck.has(entry.session));
  }

  private async deliver(entry: Outgoing): Promise<void> {
    try {
      if (isDraft(entry.session)) return this.settle(entry.session, await createSession());
      this.update(entry.id, { turn: await postMessage(entry.session, entry.id, entry.content) });
    } catch (error) {
      if (!(error instanceof RequestError) || error.retryable) throw error;
      this.update(entry.id, { refusal: error.message });
    }
  }

  private settle(draft: string, session: string): void {
    this.write((entries) => entries.map((entry) => (entry.session === draft ? { ...entry, session } : entry)));
    this.port.settled(draft, session);
  }

  private later(error: RequestError): void {
    const afterS = error.retryAfterS;
    const longest = Math.min(1_000 * 2 ** this.failures, LONGEST_WAIT_MS);
    const wait = afterS === null ? longest / 2 + (Math.random() * longest) / 2 : afterS * 1_000;
    this.failures += 1;
    this.timer = setTimeout(this.now, wait);
    this.problem = error.message;
    this.port.changed();
  }

  private update(id: string, change: Partial<Outgoing>): void {
    this.write((entries) => entries.map((entry) => (entry.id === id ? { ...entry, ...change } : entry)));
  }

  /** Changes what is stored, not what this tab remembers: another tab may have written in between. */
  private write(change: (entries: Outgoing[]) => Outgoing[]): void {
    this.entries = change(stored() ?? this.entries);
    try {
      localStorage.setItem(KEY, JSON.stringify(this.entries));
    } catch {
      // Storage is full or forbidden: the messages live as long as this page does.
    }
    this.port.changed();
  }

  /** Takes over what another tab has written, and learns which drafts became sessions. */
  private adopt(): void {
    const before = this.entries;
    this.entries = stored() ?? before;
    for (const old of before) {
      const now = this.entries.find((entry) => entry.id === old.id);
      if (now && isDraft(old.session) && !isDraft(now.session)) this.port.settled(old.session, now.session);
    }
    this.port.changed();
  }
}

/** What the browser keeps; null when it keeps nothing for us. */
function stored(): Outgoing[] | null {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? "null");
    return Array.isArray(value) ? (value as Outgoing[]) : null;
  } catch {
    return null;
  }
}

async function alone(work: () => Promise<void>): Promise<void> {
  if ("locks" in navigator) await navigator.locks.request(KEY, work);
  else await work();
}

/** A random UUID; `crypto.randomUUID` itself exists in secure contexts only. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
