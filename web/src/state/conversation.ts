import type { Frame, Guidance } from "../wire/frames.ts";
import { Follower, type Connection } from "../wire/follow.ts";
import { cancelTurn, eventsPath, fetchHistory, recoverSession, RequestError } from "../wire/http.ts";
import { announceEnd, CATCHING_UP } from "../words.ts";
import { isDraft, type Outbox, type Outgoing } from "./outbox.ts";
import { Transcript, type Message } from "./transcript.ts";

export interface ConversationPort {
  /** Something that is shown has changed. */
  changed(): void;
  /** A turn began or ended: titles and the order of sessions may be others now. */
  moved(): void;
  /** Says something to people who listen instead of looking. */
  announce(text: string): void;
}

/** One session as somebody looks at it: its messages, its connection, and what was sent but not answered yet. */
export class Conversation {
  readonly id: string;
  readonly transcript = new Transcript();
  connection: Connection = { kind: "idle" };
  /** What the server advises, or what the page has to say about itself; null when there is nothing. */
  notice: Guidance | null = null;
  loaded: boolean;
  /** The turn that somebody asked to stop and that has not stopped yet. */
  stopping: string | null = null;
  private readonly outbox: Outbox;
  private readonly port: ConversationPort;
  private readonly follower: Follower | null;
  private closed = false;

  constructor(id: string, outbox: Outbox, port: ConversationPort) {
    this.id = id;
    this.outbox = outbox;
    this.port = port;
    this.loaded = isDraft(id);
    this.follower = isDraft(id)
      ? null
      : new Follower(eventsPath(id), {
          prepare: () => this.load(),
          lastId: () => this.transcript.lastId,
          frame: (place, frame) => this.take(place, frame),
          state: (connection) => this.connected(connection),
          forget: () => {
            this.loaded = false;
          },
        });
  }

  open(): void {
    void this.follower?.run();
  }

  close(): void {
    this.closed = true;
    this.follower?.stop();
  }

  /** The session is gone, or was never there. */
  get over(): boolean {
    return this.connection.kind === "ended";
  }

  /** What was sent and not answered yet: from here, and before it, what the server has in line from elsewhere. */
  get queue(): readonly Outgoing[] {
    const ours = this.outbox.of(this.id).filter((entry) => !this.transcript.has(entry.id));
    const elsewhere = this.transcript.inLine.filter((message) => !ours.some((entry) => entry.id === message.id));
    return [...elsewhere.map((message) => ({ ...message, session: this.id, refusal: null })), ...ours];
  }

  /** The turn that Stop would stop: the running one, else the next in line. */
  get stoppable(): string | null {
    return this.transcript.openTurn ?? this.queue.find((entry) => entry.turn !== null)?.turn ?? null;
  }

  send(content: string): void {
    this.notice = null;
    this.outbox.add(this.id, content);
  }

  async stop(): Promise<void> {
    this.stopping = this.stoppable;
    await this.askToStop();
  }

  reconnect(): void {
    this.follower?.now();
    this.outbox.now();
  }

  dismiss(): void {
    this.notice = null;
    this.port.changed();
  }

  /** Takes a message out of the line, or throws one away that never got there. */
  async withdraw(entry: Outgoing): Promise<void> {
    if (entry.turn !== null && !(await this.attempt(() => cancelTurn(this.id, entry.turn)))) return;
    this.transcript.inLine = this.transcript.inLine.filter((message) => message.id !== entry.id);
    this.outbox.remove([entry.id]);
    this.port.changed();
  }

  retry(entry: Outgoing): void {
    this.outbox.retry(entry.id);
  }

  /** Takes a parked turn up again. */
  async recover(): Promise<void> {
    await this.attempt(() => recoverSession(this.id));
  }

  /** What was asked in the turn of this answer. */
  question(answer: Message): string | null {
    const asked = this.transcript.messages.findLast((known) => known.turn === answer.turn && known.role === "user");
    return asked?.text ?? null;
  }

  private async load(): Promise<void> {
    if (this.loaded) return;
    const history = await fetchHistory(this.id);
    this.transcript.load(history);
    this.loaded = true;
    this.outbox.remove(history.messages.map((message) => message.id));
    this.port.changed();
  }

  private take(place: string | null, frame: Frame): void {
    if (this.closed) return;
    const next = this.transcript.apply(place, frame);
    if (next.started) {
      this.outbox.remove(next.started.messages);
      this.port.moved();
    }
    if (next.ended) this.ended(next.ended.turn);
    if (next.guidance) this.advised(next.guidance);
    if (next.reload) {
      this.loaded = false;
      this.notice = CATCHING_UP;
      this.follower?.restart();
    }
    this.port.changed();
  }

  private advised(guidance: Guidance): void {
    const over = guidance.state === "saving"; // the store's trouble: what was said of it stands no longer
    this.notice = over ? null : guidance;
    if (!over) return;
    this.port.announce(guidance.reason ?? "");
    this.outbox.now();
  }

  private ended(turn: string): void {
    if (this.stopping === turn) this.stopping = null;
    this.outbox.remove(this.queue.filter((entry) => entry.turn === turn).map((entry) => entry.id));
    const answer = this.transcript.messages.findLast((message) => message.turn === turn);
    if (answer?.outcome) this.port.announce(announceEnd(answer.outcome));
    this.port.moved();
  }

  private connected(connection: Connection): void {
    if (this.closed) return;
    if (connection.kind === "interrupted" && this.connection.kind === "live") {
      this.port.announce("The connection was interrupted. The page reconnects by itself.");
    }
    const back = connection.kind === "live" && this.connection.kind === "reconnecting";
    this.connection = connection;
    if (connection.kind === "live") {
      if (this.notice?.action === "reconnect") this.notice = null;
      this.outbox.now();
      if (this.stopping !== null) void this.askToStop();
    }
    if (back) {
      this.port.announce("Connected again.");
      this.port.moved();
    }
    this.port.changed();
  }

  /** Asks once; if the server cannot be reached, again as soon as it can. */
  private async askToStop(): Promise<void> {
    const turn = this.stopping;
    if (turn === null) return;
    this.port.changed();
    try {
      await cancelTurn(this.id, turn);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (!error.retryable) this.fail(error);
    }
  }

  private async attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.fail(error);
      return false;
    }
  }

  private fail(error: RequestError): void {
    this.stopping = null;
    this.notice = { state: "failed", reason: error.message };
    this.port.changed();
  }
}
