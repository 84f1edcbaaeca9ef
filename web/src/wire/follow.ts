import { parseFrame, type Frame } from "./frames.ts";
import { problemOf, RequestError } from "./http.ts";
import { EventParser } from "./sse.ts";

/** What the page knows about its connection. `retryAt` is a time of `performance.now()`, in milliseconds. */
export type Connection =
  | { readonly kind: "idle" }
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  | { readonly kind: "interrupted"; readonly reason: string; readonly retryAt: number }
  | { readonly kind: "reconnecting"; readonly reason: string }
  | { readonly kind: "ended"; readonly reason: string };

export interface FollowPort {
  /** Makes sure that the past is known, before every connection; may reject with a RequestError. */
  prepare(): Promise<void>;
  /** The id to resume from; null asks for the whole log. */
  lastId(): string | null;
  frame(id: string | null, frame: Frame): void;
  state(connection: Connection): void;
  /** The server did not understand the id to resume from: learn the past anew. */
  forget(): void;
}

/** Why a connection is over, how long to wait before the next one, and whether there is one. */
interface Loss {
  readonly reason: string;
  readonly waitMs: number | null;
  readonly final: boolean;
}

const HEARTBEAT_MS = 5_000;
const SLOWEST_BEAT_MS = 60_000;
const FIRST_WAIT_MS = 600;
const LONGEST_WAIT_MS = 15_000;
/** A connection that lived this long was a good one: the next loss starts with short waits again. */
const PROVEN_MS = 3_000;

/**
 * Follows the events of one session for as long as somebody looks at it.
 *
 * Reads with fetch, since an EventSource shows neither status codes nor what heartbeats are for: after two missed
 * ones the connection counts as lost, whatever the socket says. A lost connection is made again after a wait that
 * doubles up to 15 s, from the last event that was taken. Waits are spread at random, so that a thousand pages do not
 * come back in the same instant.
 */
export class Follower {
  private readonly path: string;
  private readonly port: FollowPort;
  private readonly over = new AbortController();
  private wake: (() => void) | null = null;
  private leave: (() => void) | null = null;
  private losses = 0;
  private beatMs = HEARTBEAT_MS;
  private heard = false;
  private farewell: Loss | null = null;

  constructor(path: string, port: FollowPort) {
    this.path = path;
    this.port = port;
  }

  /** Runs until `stop`, or until the session is gone. */
  async run(): Promise<void> {
    addEventListener("online", this.now);
    document.addEventListener("visibilitychange", this.seen);
    this.port.state({ kind: "connecting" });
    while (!this.over.signal.aborted) {
      const loss = await this.connect();
      if (this.over.signal.aborted) break;
      if (loss.final) {
        this.port.state({ kind: "ended", reason: loss.reason });
        break;
      }
      await this.waitAfter(loss);
      if (!this.over.signal.aborted) this.port.state({ kind: "reconnecting", reason: loss.reason });
    }
    removeEventListener("online", this.now);
    document.removeEventListener("visibilitychange", this.seen);
  }

  /** Leaves the current connection and makes the next one at once. */
  restart(): void {
    this.farewell = { reason: "The page catches up.", waitMs: 0, final: false };
    this.leave?.();
  }

  stop(): void {
    this.over.abort();
    this.now();
  }

  /** Ends the current wait, if there is one. */
  readonly now = (): void => this.wake?.();

  private readonly seen = (): void => {
    if (document.visibilityState === "visible") this.now();
  };

  private async waitAfter(loss: Loss): Promise<void> {
    const wait = loss.waitMs ?? backoff(this.losses);
    if (wait === 0) return;
    this.losses += 1;
    this.port.state({ kind: "interrupted", reason: loss.reason, retryAt: performance.now() + wait });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = null;
  }

  /** One connection, from its request to its loss. */
  private async connect(): Promise<Loss> {
    const dog = new Watchdog(this.over.signal);
    const opened = performance.now();
    this.farewell = null;
    this.heard = false;
    this.leave = () => dog.done();
    try {
      await this.port.prepare();
      dog.wait(this.patience());
      const response = await fetch(this.path, { headers: this.headers(), cache: "no-store", signal: dog.signal });
      if (!response.ok) throw await problemOf(response);
      const kind = response.headers.get("Content-Type") ?? "";
      if (!kind.startsWith("text/event-stream")) return lost("Something else than the server answered.");
      this.port.state({ kind: "live" });
      await this.read(response, dog);
      return this.farewell ?? lost("The stream was cut.");
    } catch (error) {
      return this.farewell ?? this.lossOf(error, dog.expired);
    } finally {
      dog.done();
      if (this.heard && performance.now() - opened > PROVEN_MS) this.losses = 0;
    }
  }

  private lossOf(error: unknown, silent: boolean): Loss {
    if (error instanceof RequestError) {
      if (error.status === 400) this.port.forget();
      const final = !error.retryable && error.status < 500 && error.status !== 400;
      const wait = error.retryAfterS === null ? null : error.retryAfterS * 1_000 * (1 + Math.random() / 4);
      return { reason: error.message, waitMs: wait, final };
    }
    if (!silent) return lost(error instanceof SyntaxError ? "The stream was damaged." : "The connection was lost.");
    // Nothing at all came: perhaps this server beats more slowly than we expect. Be more patient next time.
    if (!this.heard) this.beatMs = Math.min(this.beatMs * 2, SLOWEST_BEAT_MS);
    return lost("Nothing was heard from the server.");
  }

  private headers(): Record<string, string> {
    const last = this.port.lastId();
    return { Accept: "text/event-stream", ...(last === null ? {} : { "Last-Event-ID": last }) };
  }

  private async read(response: Response, dog: Watchdog): Promise<void> {
    const parser = new EventParser();
    const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(utf8()).getReader();
    for (;;) {
      dog.wait(this.patience());
      const piece = await reader.read();
      if (piece.done) return;
      for (const event of parser.push(piece.value)) {
        const frame = parseFrame(event.data);
        if (frame) this.take(event.id, frame);
      }
    }
  }

  private take(id: string | null, frame: Frame): void {
    this.heard = true;
    this.farewell = null;
    if (frame.type === "CUSTOM" && frame.name === "yaoki.heartbeat") {
      const said = frame.value["everyS"];
      this.beatMs = typeof said === "number" && said > 0 ? said * 1_000 : HEARTBEAT_MS;
      return;
    }
    if (frame.type === "CUSTOM" && frame.name === "yaoki.guidance") this.farewell = farewell(frame.value);
    this.port.frame(id, frame);
  }

  /** Two heartbeats, and half a one for the road. */
  private patience(): number {
    return this.beatMs * 2.5;
  }
}

/** Aborts a connection when nothing came for too long, or when nobody wants it any more. */
class Watchdog {
  expired = false;
  private readonly control = new AbortController();
  private readonly outer: AbortSignal;
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(outer: AbortSignal) {
    this.outer = outer;
    outer.addEventListener("abort", this.bark);
  }

  get signal(): AbortSignal {
    return this.control.signal;
  }

  wait(ms: number): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.expired = true;
      this.bark();
    }, ms);
  }

  done(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.outer.removeEventListener("abort", this.bark);
    this.bark();
  }

  private readonly bark = (): void => this.control.abort();
}

function lost(reason: string): Loss {
  return { reason, waitMs: null, final: false };
}

function backoff(losses: number): number {
  const longest = Math.min(FIRST_WAIT_MS * 2 ** losses, LONGEST_WAIT_MS);
  return longest / 2 + (Math.random() * longest) / 2;
}

/** What guidance means for the connection, should it be the last word; null where the connection is not its matter. */
function farewell(value: Readonly<Record<string, unknown>>): Loss | null {
  if (value["state"] === "deleted") return { reason: "This conversation was deleted.", waitMs: null, final: true };
  if (value["action"] !== "reconnect" && value["action"] !== "reload") return null;
  const after = value["retry_after_s"];
  return {
    reason: typeof value["reason"] === "string" ? value["reason"] : "The server ended the stream.",
    waitMs: typeof after === "number" ? after * 1_000 : null,
    final: false,
  };
}

function utf8(): ReadableWritablePair<string, Uint8Array> {
  return new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>;
}
