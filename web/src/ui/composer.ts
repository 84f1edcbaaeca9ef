import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { PageElement } from "./element.ts";
import { icon } from "./icons.ts";

const KEYS = "Enter sends, Shift+Enter starts a line";

/** Somebody sent what they had written. */
export class SendEvent extends Event {
  readonly content: string;

  constructor(content: string) {
    super("send", { bubbles: true });
    this.content = content;
  }
}

/** Somebody wants to change a text and send it anew. */
export class EditEvent extends Event {
  readonly content: string;

  constructor(content: string) {
    super("edit", { bubbles: true });
    this.content = content;
  }
}

/** The place to write. What is written survives a change of session; it stays usable whatever the connection does. */
export class ComposerElement extends PageElement {
  static override properties = {
    session: { attribute: false },
    busy: { type: Boolean },
    stopping: { type: Boolean },
    over: { type: Boolean },
    offline: { type: Boolean },
    empty: { state: true },
  };

  declare session: string;
  declare busy: boolean;
  declare stopping: boolean;
  declare over: boolean;
  declare offline: boolean;
  declare empty: boolean;
  private readonly drafts = new Map<string, string>();

  constructor() {
    super();
    this.session = "";
    this.busy = this.stopping = this.over = this.offline = false;
    this.empty = true;
  }

  override focus(): void {
    this.field?.focus({ preventScroll: true });
  }

  /** Makes ready for the next message; on a touch screen that would call up the keyboard, unasked. */
  ready(): void {
    if (matchMedia("(hover: hover)").matches) this.focus();
  }

  /** Puts a text into the field, to be changed and sent. */
  write(text: string): void {
    const field = this.field;
    if (!field) return;
    field.value = text;
    this.resize();
    this.focus();
    field.setSelectionRange(text.length, text.length);
  }

  private get field(): HTMLTextAreaElement | null {
    return this.querySelector("textarea");
  }

  protected override willUpdate(changed: PropertyValues): void {
    const before = changed.get("session") as string | undefined;
    if (before === undefined || !this.field) return;
    this.drafts.set(before, this.field.value);
  }

  protected override updated(changed: PropertyValues): void {
    const before = changed.get("session") as string | undefined;
    if (before === undefined || !this.field) return;
    // A draft that became a session is the same conversation: what was being written stays.
    const kept = this.drafts.get(this.session);
    if (before.startsWith("draft:") && kept === undefined && !this.session.startsWith("draft:")) return;
    this.field.value = kept ?? "";
    this.resize();
  }

  protected override render(): TemplateResult {
    const hint = this.hint();
    const placeholder = this.over ? "This conversation has ended." : "Ask anything";
    return html`<form class="composer" @submit=${this.submit}>
      <label class="sr-only" for="composer-field">Your message</label>
      <textarea
        id="composer-field"
        rows="1"
        placeholder=${placeholder}
        ?disabled=${this.over}
        enterkeyhint="send"
        autocomplete="off"
        aria-describedby="composer-hint"
        @input=${this.resize}
        @keydown=${this.keydown}
      ></textarea>
      <div class="composer-row">
        <span class="hint ${hint === KEYS ? "keys" : ""}" id="composer-hint">${hint}</span>
        ${
          this.busy
            ? html`<button type="button" class="round stop" ?disabled=${this.stopping} aria-label="Stop" title="Stop (Esc)" @click=${this.stop}>
              ${icon("stop")}
            </button>`
            : nothing
        }
        <button type="submit" class="round send" aria-label="Send" title="Send (Enter)" ?disabled=${this.empty || this.over}>
          ${icon("send")}
        </button>
      </div>
    </form>`;
  }

  private hint(): string {
    if (this.stopping) return this.offline ? "Stops as soon as the connection is back." : "Stopping…";
    if (this.offline && !this.empty) return "No connection. Your message is kept and sent when it is back.";
    if (this.busy && !this.empty) return "Waits in line until this answer is done.";
    return KEYS;
  }

  private readonly resize = (): void => {
    const field = this.field;
    if (!field) return;
    this.empty = field.value.trim() === "";
    field.style.height = "auto";
    field.style.height = `${Math.min(field.scrollHeight, innerHeight * 0.4)}px`;
  };

  private readonly keydown = (event: KeyboardEvent): void => {
    // 229: an input method is composing, its Enter is not ours.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.submit(event);
  };

  private readonly submit = (event: Event): void => {
    event.preventDefault();
    const field = this.field;
    if (!field || field.value.trim() === "" || this.over) return;
    const content = field.value.trim();
    field.value = "";
    this.resize();
    this.focus();
    this.dispatchEvent(new SendEvent(content));
  };

  private readonly stop = (): void => {
    this.dispatchEvent(new Event("stop", { bubbles: true }));
    this.focus();
  };
}

customElements.define("yaoki-composer", ComposerElement);
