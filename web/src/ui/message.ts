import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { Connection } from "../wire/follow.ts";
import type { Mark, Message, Piece } from "../state/transcript.ts";
import { ending, REMEDIES, type Remedy } from "../words.ts";
import { PageElement } from "./element.ts";
import { icon } from "./icons.ts";
import { markButton } from "./mark.ts";
import { copyText, Prose, seamsOf } from "./prose.ts";

/** What a person asked for at the end of an answer. */
export class RemedyEvent extends Event {
  readonly remedy: Remedy;
  readonly message: Message;

  constructor(remedy: Remedy, message: Message) {
    super("remedy", { bubbles: true });
    this.remedy = remedy;
    this.message = message;
  }
}

/**
 * One message. `rawText` is exactly what the log says, `pieces` how it arrived: ids, places and lengths in code points.
 */
export class MessageElement extends PageElement {
  static override properties = {
    message: { attribute: false },
    revision: { attribute: false },
    connection: { attribute: false },
    writing: { type: Boolean },
    last: { type: Boolean },
  };

  declare message: Message;
  declare revision: number;
  declare connection: Connection["kind"];
  declare writing: boolean;
  declare last: boolean;
  private prose: Prose | null = null;
  private drawn: { revision: number; message: Message } | null = null;

  get rawText(): string {
    return this.message.text;
  }

  get pieces(): readonly Piece[] {
    return this.message.pieces;
  }

  override async scheduleUpdate(): Promise<void> {
    // Words may come faster than the screen is drawn.
    if (this.hasUpdated && document.visibilityState === "visible") {
      await new Promise<void>((resolve) => requestAnimationFrame(() => resolve()));
    }
    super.scheduleUpdate();
  }

  protected override willUpdate(): void {
    this.dataset["messageId"] = this.message.id;
    this.dataset["role"] = this.message.role;
    this.dataset["outcome"] = this.message.outcome ?? "";
  }

  protected override render(): TemplateResult {
    return this.message.role === "user" ? this.asked() : this.answered();
  }

  protected override updated(_: PropertyValues): void {
    if (this.message.role === "user") return;
    const { message } = this;
    if (this.drawn?.message === message && this.drawn.revision === message.revision) return;
    this.drawn = { revision: message.revision, message };
    this.prose ??= new Prose(this.querySelector(".prose") as HTMLElement);
    const seams = seamsOf(message.marks);
    this.prose.update(message.text, seams);
    this.foretell(seams.filter((seam) => seam.at === 0).flatMap((seam) => seam.marks));
  }

  private asked(): TemplateResult {
    return html`<article class="asked" aria-label="You">${this.message.text}</article>`;
  }

  private answered(): TemplateResult {
    return html`<article class="answered" aria-label="Answer" aria-busy=${this.writing ? "true" : "false"}>
      <div class="marks-before"></div>
      <div class="prose"></div>
      ${this.writing ? this.progress() : nothing} ${this.end()} ${this.foot()}
    </article>`;
  }

  /** What happened before the first word stands above it. */
  private foretell(marks: readonly Mark[]): void {
    const line = this.querySelector(".marks-before") as HTMLElement;
    line.replaceChildren(...(marks.length > 0 ? [markButton(marks)] : []));
  }

  private progress(): TemplateResult {
    return progress(this.connection, this.message.text === "");
  }

  private end(): TemplateResult | typeof nothing {
    const end = ending(this.message);
    if (!end) return nothing;
    const { remedy } = end;
    // For a failure the server knows the reason; the other outcomes are said in the page's own words.
    const note = end.tone === "bad" ? this.message.note : null;
    return html`<div class="ending ${end.tone}" role="note">
      ${end.tone === "quiet" ? nothing : icon("alert")}
      <div class="ending-text">
        <strong>${end.title}</strong>
        ${note ? html`<span class="ending-note">${note}</span>` : nothing}
        <span>${end.advice}</span>
      </div>
      ${
        remedy === "none" || !this.last
          ? nothing
          : html`<button type="button" class="pill" @click=${() => this.dispatchEvent(new RemedyEvent(remedy, this.message))}>
            ${icon(remedy === "rephrase" ? "edit" : "retry")}${REMEDIES[remedy]}
          </button>`
      }
    </div>`;
  }

  private foot(): TemplateResult | typeof nothing {
    const { models, text } = this.message;
    if (this.writing || (text === "" && models.length === 0)) return nothing;
    const copy = (event: Event): void => void copyText(this.rawText, event.currentTarget as HTMLElement);
    return html`<footer class="foot">
      ${models.length > 0 ? html`<span class="models" title="The model that answered">${models.join(" → ")}</span>` : nothing}
      ${
        text === ""
          ? nothing
          : html`<button type="button" class="copy" aria-label="Copy the answer" @click=${copy}>${icon("copy")}<span>Copy</span></button>`
      }
    </footer>`;
  }
}

/** That an answer is being written, or that the page cannot tell at the moment. */
export function progress(connection: Connection["kind"], waiting: boolean): TemplateResult {
  const cut = connection === "interrupted" || connection === "reconnecting";
  if (!cut) {
    return html`<span class="writing ${waiting ? "waiting" : ""}" aria-hidden="true"><i></i><i></i><i></i></span>`;
  }
  return html`<p class="cut">
    <strong>Interrupted.</strong> What was written is kept; the rest appears here as soon as the connection is back.
  </p>`;
}

customElements.define("yaoki-message", MessageElement);
