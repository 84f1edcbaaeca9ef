import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { Conversation } from "../state/conversation.ts";
import type { Outgoing } from "../state/outbox.ts";
import type { Message } from "../state/transcript.ts";
import { EXAMPLES } from "../words.ts";
import { EditEvent, SendEvent } from "./composer.ts";
import { PageElement } from "./element.ts";
import { doll, icon } from "./icons.ts";
import { markButton } from "./mark.ts";
import { progress } from "./message.ts";

/** Whoever scrolls down to this close to the end, in pixels, follows it again. */
const NEAR_PX = 40;

/** The conversation, from its first message to what waits in line. Follows the end unless the reader has gone up. */
export class ThreadElement extends PageElement {
  static override properties = {
    conversation: { attribute: false },
    turn: { attribute: false },
    problem: { attribute: false },
    away: { state: true },
  };

  declare conversation: Conversation;
  /** Goes up whenever something of the conversation has changed. */
  declare turn: number;
  /** Why nothing can be sent at the moment. */
  declare problem: string | null;
  /** The reader has gone up: new words must not pull them down. */
  declare away: boolean;
  private shown = "";
  private top = 0;
  private readonly grown = new ResizeObserver(() => this.follow());

  constructor() {
    super();
    this.away = false;
    this.problem = null;
  }

  override firstUpdated(): void {
    this.grown.observe(this.querySelector(".thread") as HTMLElement);
    this.grown.observe(this.scroller);
  }

  /** Goes to the end and stays there. */
  toEnd(): void {
    this.away = false;
    this.follow();
  }

  private get scroller(): HTMLElement {
    return this.querySelector(".scroller") as HTMLElement;
  }

  protected override willUpdate(): void {
    if (this.conversation.id === this.shown) return;
    this.shown = this.conversation.id;
    this.away = false;
  }

  protected override render(): TemplateResult {
    const { transcript, queue, loaded } = this.conversation;
    const empty = transcript.messages.length === 0 && queue.length === 0;
    return html`<div class="scroller" @scroll=${this.scrolled} tabindex="-1">
        <div class="thread" role="log" aria-live="off" aria-label="Conversation">
          ${loaded ? nothing : html`<p class="loading">${this.conversation.over ? nothing : "Loading…"}</p>`}
          ${loaded && empty ? this.welcome() : nothing}
          ${repeat(
            transcript.messages,
            (message) => message.id,
            (message, index) => this.message(message, index === transcript.messages.length - 1),
          )}
          ${this.beforeFirstWord()}
          ${repeat(
            queue,
            (entry) => entry.id,
            (entry) => this.waiting(entry),
          )}
        </div>
      </div>
      ${
        this.away
          ? html`<button type="button" class="round latest" aria-label="Jump to the latest" title="Jump to the latest" @click=${() => this.toEnd()}>
            ${icon("down")}
          </button>`
          : nothing
      }`;
  }

  private message(message: Message, last: boolean): TemplateResult {
    const { transcript, connection } = this.conversation;
    return html`<yaoki-message
      .message=${message}
      .revision=${message.revision}
      .connection=${connection.kind}
      ?writing=${transcript.openMessage === message.id}
      ?last=${last && transcript.openTurn === null}
    ></yaoki-message>`;
  }

  /** A turn that runs and has not said a word yet. */
  private beforeFirstWord(): TemplateResult | typeof nothing {
    const { transcript, connection } = this.conversation;
    if (transcript.openTurn === null || transcript.openMessage !== null) return nothing;
    const marks = transcript.waitingMarks;
    return html`<div class="first-word">
      ${marks.length > 0 ? html`<div class="marks-before">${markButton(marks)}</div>` : nothing}
      ${progress(connection.kind, true)}
    </div>`;
  }

  private waiting(entry: Outgoing): TemplateResult {
    const conversation = this.conversation;
    return html`<div class="queued ${entry.refusal === null ? "" : "refused"}" data-message-id=${entry.id} data-state=${stateOf(entry, this.problem)}>
      <article class="asked" aria-label="You, not answered yet">${entry.content}</article>
      <p class="queued-note">
        ${entry.refusal === null ? icon("clock") : icon("alert")}<span>${this.wait(entry)}</span>
        ${
          entry.refusal === null
            ? nothing
            : html`<button type="button" class="link" @click=${() => conversation.retry(entry)}>Try again</button>
              <button type="button" class="link" @click=${() => this.edit(entry)}>Edit</button>`
        }
        <button type="button" class="link" @click=${() => void conversation.withdraw(entry)}>
          ${entry.turn === null ? "Discard" : "Take back"}
        </button>
      </p>
    </div>`;
  }

  private edit(entry: Outgoing): void {
    void this.conversation.withdraw(entry);
    this.dispatchEvent(new EditEvent(entry.content));
  }

  private wait(entry: Outgoing): string {
    if (entry.refusal !== null) return `Not taken: ${entry.refusal}`;
    if (entry.turn !== null) return this.conversation.transcript.openTurn === null ? "Starting…" : "Waits in line";
    return this.problem === null
      ? "Sending…"
      : "Not sent yet. It is kept here and goes out as soon as the server is back.";
  }

  private welcome(): TemplateResult {
    return html`<section class="welcome">
      ${doll()}
      <h2>Fall seven times, rise eight.</h2>
      <p>
        Answers here survive what breaks underneath. If a model falls silent, another goes on from its last word. If the
        server restarts, the answer is picked up where it was. A small golden seam shows where something was mended.
      </p>
      <ul class="examples">
        ${EXAMPLES.map(
          (example) =>
            html`<li>
              <button type="button" @click=${() => this.dispatchEvent(new SendEvent(example))}>${example}</button>
            </li>`,
        )}
      </ul>
    </section>`;
  }

  /** The least move up means that the reader wants to stay: waiting for a longer one would pull them down again. */
  private readonly scrolled = (): void => {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    const gap = scrollHeight - scrollTop - clientHeight;
    if (scrollTop < this.top && gap > 1) this.away = true;
    else if (gap <= NEAR_PX) this.away = false;
    this.top = scrollTop;
  };

  private follow(): void {
    if (this.away) return;
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.top = this.scroller.scrollTop;
  }
}

function stateOf(entry: Outgoing, problem: string | null): string {
  if (entry.refusal !== null) return "refused";
  if (entry.turn !== null) return "accepted";
  return problem === null ? "sending" : "unsent";
}

customElements.define("yaoki-thread", ThreadElement);
