import { alreadySeen, parseEventId, type EventId } from "../wire/event_id.ts";
import {
  isRecord,
  type Custom,
  type Frame,
  type Guidance,
  type Outcome,
  type RunError,
  type RunFinished,
  type RunStarted,
  type Snapshot,
  type TextContent,
  type TextStart,
  type WireMessage,
} from "../wire/frames.ts";
import type { History } from "../wire/http.ts";

/** Something that happened to an answer, after `atChar` characters (code points) of its text. */
export interface Mark {
  readonly type: string;
  readonly atChar: number;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** A piece of text as it arrived: the id of its frame, its place and length in code points. */
export interface Piece {
  readonly id: string | null;
  readonly at: number;
  readonly length: number;
}

/** One message; `revision` goes up with every change, `chars` counts the code points of `text`. */
export interface Message {
  readonly id: string;
  readonly role: "user" | "assistant";
  turn: string | null;
  text: string;
  chars: number;
  models: string[];
  marks: Mark[];
  outcome: Outcome | null;
  note: string | null;
  guidance: Guidance | null;
  pieces: Piece[];
  revision: number;
}

/** A message that the server has accepted and whose turn has not begun. */
export interface InLine {
  readonly id: string;
  readonly turn: string;
  readonly content: string;
}

/** What the page has to do besides showing the messages. */
export interface Consequence {
  /** The server's log is another one than before: load the history again. */
  readonly reload?: boolean;
  readonly started?: { readonly turn: string; readonly messages: readonly string[] };
  readonly ended?: { readonly turn: string };
  readonly guidance?: Guidance;
}

const MARKS: Readonly<Record<string, string>> = {
  "yaoki.failover": "failover",
  "yaoki.continued": "continued",
  "yaoki.resumed": "resumed",
  "yaoki.degraded": "degraded",
  "yaoki.cached": "cached",
  "yaoki.recovery": "recovery",
};

/**
 * The messages of a session, folded from frames just as the server folds them from its log.
 *
 * A frame whose id was taken before is dropped, so text is never doubled. What happened before the first word of an
 * answer waits in `pending` until its message begins.
 */
export class Transcript {
  messages: Message[] = [];
  openTurn: string | null = null;
  openMessage: string | null = null;
  /** What stood in line when the past was read; what was sent since then is known to whoever sent it. */
  inLine: readonly InLine[] = [];
  /** The id to resume from; null before anything was taken. */
  lastId: string | null = null;
  private last: EventId | null = null;
  private pending: Mark[] = [];

  /** What waits for the first word of the answer, to be shown meanwhile. */
  get waitingMarks(): readonly Mark[] {
    return this.pending;
  }

  /** Starts again from what the server tells about the past. */
  load(history: History): void {
    this.messages = history.messages.map((past) => ({
      ...blank(past.id, past.role),
      turn: past.turn_id,
      text: past.content,
      chars: length(past.content),
      models: [...past.models],
      marks: past.marks.map(({ type, at_char, ...facts }) => ({ type, atChar: at_char, facts })),
      outcome: past.outcome,
      note: past.note,
      pieces: [{ id: history.event_id, at: 0, length: length(past.content) }],
    }));
    this.inLine = (history.waiting ?? []).map(({ id, turn_id, content }) => ({ id, turn: turn_id, content }));
    this.openTurn = history.open_turn;
    this.openMessage = history.open_message;
    this.pending = [];
    this.forget();
    if (history.event_id !== null) this.remember(history.event_id);
  }

  /** Gives up the place to resume from: the next stream tells the whole log. */
  forget(): void {
    this.lastId = this.last = null;
  }

  apply(id: string | null, frame: Frame): Consequence {
    if (id !== null) {
      const place = parseEventId(id);
      if (place && alreadySeen(place, this.last)) return {};
      this.remember(id);
    }
    switch (frame.type) {
      case "RUN_STARTED":
        return this.start(frame);
      case "TEXT_MESSAGE_START":
        return this.begin(frame);
      case "TEXT_MESSAGE_CONTENT":
        return this.write(id, frame);
      case "TEXT_MESSAGE_END":
        this.openMessage = null;
        return {};
      case "MESSAGES_SNAPSHOT":
        return this.replace(frame);
      case "RUN_FINISHED":
        return this.finish(frame);
      case "RUN_ERROR":
        return this.fail(frame);
      case "CUSTOM":
        return this.happen(frame);
    }
  }

  has(message: string): boolean {
    return this.messages.some((known) => known.id === message);
  }

  /** The message being written, or null before its first word. */
  answer(): Message | null {
    return this.openMessage === null ? null : this.find(this.openMessage);
  }

  private find(id: string): Message | null {
    return this.messages.findLast((message) => message.id === id) ?? null;
  }

  private remember(id: string): void {
    this.lastId = id;
    this.last = parseEventId(id);
  }

  private start(frame: RunStarted): Consequence {
    if (this.openTurn !== frame.runId) {
      this.pending = [];
      this.openMessage = null;
    }
    this.openTurn = frame.runId;
    this.inLine = this.inLine.filter((message) => message.turn !== frame.runId);
    const asked = frame.input?.messages ?? [];
    for (const message of asked) {
      if (this.has(message.id)) continue;
      this.messages.push({ ...fromWire(message), turn: frame.runId });
    }
    return { started: { turn: frame.runId, messages: asked.map((message) => message.id) } };
  }

  private begin(frame: TextStart): Consequence {
    let message = this.find(frame.messageId);
    if (!message) {
      message = { ...blank(frame.messageId, "assistant"), turn: this.openTurn, marks: this.pending };
      this.messages.push(message);
      this.pending = [];
    }
    this.openMessage = message.id;
    credit(message, frame.name);
    return {};
  }

  private write(id: string | null, frame: TextContent): Consequence {
    const message = this.find(frame.messageId);
    if (!message) return {};
    const size = length(frame.delta);
    message.pieces.push({ id, at: message.chars, length: size });
    message.text += frame.delta;
    message.chars += size;
    message.revision += 1;
    return {};
  }

  /**
   * Takes the server's word for all messages. What the snapshot cannot say (marks, models, outcomes) is kept where the
   * page knows it; so are the wordless ends of turns.
   */
  private replace(frame: Snapshot): Consequence {
    const ours = this.messages;
    const told = new Set(frame.messages.map((message) => message.id));
    const next: Message[] = [];
    for (const wire of frame.messages) {
      const known = ours.find((message) => message.id === wire.id);
      const message = known ?? fromWire(wire);
      const text = textOf(wire);
      if (message.text !== text) overwrite(message, text);
      if (wire.role === "assistant") credit(message, wire.name);
      next.push(message);
      const follower = ours[ours.indexOf(message) + 1];
      if (known && follower && isWordless(follower) && !told.has(follower.id)) next.push(follower);
    }
    this.messages = next;
    return {};
  }

  private finish(frame: RunFinished): Consequence {
    const result = frame.result ?? {};
    return this.end(frame.runId, result.outcome ?? "completed", result.message ?? null, (message) => {
      for (const model of result.models ?? []) credit(message, model);
    });
  }

  private fail(frame: RunError): Consequence {
    const guidance = frame.guidance ?? null;
    const parked = frame.code?.endsWith(".parked") || guidance?.state === "parked";
    const turn = frame.runId ?? this.openTurn;
    if (turn === null) return guidance ? { guidance } : {};
    return this.end(turn, parked ? "parked" : "failed", frame.message, (message) => {
      message.guidance = guidance;
    });
  }

  private end(turn: string, outcome: Outcome, note: string | null, tell: (message: Message) => void): Consequence {
    let message = this.messages.findLast((known) => known.turn === turn && known.role === "assistant");
    if (!message) {
      message = { ...blank(`${turn}-end`, "assistant"), turn };
      if (turn === this.openTurn) message.marks = this.pending;
      this.messages.push(message);
    }
    message.outcome = outcome;
    message.note = note;
    tell(message);
    message.revision += 1;
    if (turn === this.openTurn) {
      this.openTurn = this.openMessage = null;
      this.pending = [];
    }
    return { ended: { turn } };
  }

  private happen(frame: Custom): Consequence {
    const type = MARKS[frame.name];
    if (type !== undefined) {
      const answer = this.answer();
      const at = frame.value["atChar"];
      this.mark({ type, atChar: answer ? (typeof at === "number" ? at : answer.chars) : 0, facts: frame.value });
      if (type === "continued" && answer) credit(answer, frame.value["model"]);
      return {};
    }
    if (frame.name === "yaoki.reset") return this.reset(frame);
    if (frame.name === "yaoki.guidance" && isRecord(frame.value)) {
      return { guidance: frame.value as unknown as Guidance };
    }
    return {};
  }

  /** The text so far is void; what happened to it is still told, from the start of the new text. */
  private reset(frame: Custom): Consequence {
    if (frame.value["reason"] === "log_changed") return { reload: true };
    const id = frame.value["messageId"];
    const answer = typeof id === "string" ? this.find(id) : this.answer();
    if (answer) {
      this.messages = this.messages.filter((message) => message !== answer);
      this.pending = answer.marks.map((mark) => ({ ...mark, atChar: 0 }));
      this.openMessage = null;
    }
    this.mark({ type: "reset", atChar: 0, facts: frame.value });
    return {};
  }

  private mark(mark: Mark): void {
    const answer = this.answer();
    if (!answer) {
      this.pending = [...this.pending, mark];
      return;
    }
    answer.marks = [...answer.marks, mark];
    answer.revision += 1;
  }
}

/** The number of code points, which is how the server counts characters. */
export function length(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

function blank(id: string, role: "user" | "assistant"): Message {
  return {
    id,
    role,
    turn: null,
    text: "",
    chars: 0,
    models: [],
    marks: [],
    outcome: null,
    note: null,
    guidance: null,
    pieces: [],
    revision: 0,
  };
}

function fromWire(wire: WireMessage): Message {
  const message = blank(wire.id, wire.role === "user" ? "user" : "assistant");
  overwrite(message, textOf(wire));
  return message;
}

function overwrite(message: Message, text: string): void {
  message.text = text;
  message.chars = length(text);
  message.pieces = [{ id: null, at: 0, length: message.chars }];
  message.marks = message.marks.map((mark) => ({ ...mark, atChar: Math.min(mark.atChar, message.chars) }));
  message.revision += 1;
}

function textOf(wire: WireMessage): string {
  return typeof wire.content === "string" ? wire.content : "";
}

function credit(message: Message, model: unknown): void {
  if (typeof model !== "string" || model === "" || message.models.includes(model)) return;
  message.models = [...message.models, model];
  message.revision += 1;
}

function isWordless(message: Message): boolean {
  return message.text === "" && message.outcome !== null;
}
