import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { Desk } from "../state/desk.ts";
import type { Session } from "../wire/http.ts";
import { ago } from "../words.ts";
import { PageElement } from "./element.ts";
import { doll, icon } from "./icons.ts";

/** The list of sessions: new, open, rename, delete. */
export class SidebarElement extends PageElement {
  static override properties = {
    desk: { attribute: false },
    turn: { attribute: false },
    renaming: { state: true },
    deleting: { state: true },
  };

  declare desk: Desk;
  /** Goes up whenever something of the desk has changed. */
  declare turn: number;
  declare renaming: string | null;
  declare deleting: Session | null;

  constructor() {
    super();
    this.renaming = this.deleting = null;
  }

  protected override render(): TemplateResult {
    const { sessions, listed, more, problem } = this.desk;
    return html`
      <div class="brand">${doll()}<span>Yaoki</span></div>
      <button type="button" class="new" title="New conversation (Ctrl K)" @click=${this.fresh}>
        ${icon("plus")}<span>New conversation</span><kbd>${isApple() ? "⌘ K" : "Ctrl K"}</kbd>
      </button>
      <nav aria-label="Conversations">
        <ul class="sessions">
          ${repeat(
            sessions,
            (session) => session.session_id,
            (session) => this.row(session),
          )}
        </ul>
        ${listed && sessions.length === 0 ? html`<p class="none">Your conversations will be listed here.</p>` : nothing}
        ${more ? html`<button type="button" class="older" @click=${() => void this.desk.older()}>Show older</button>` : nothing}
        ${
          problem
            ? html`<p class="list-problem" role="status">
              ${problem} <button type="button" @click=${() => void this.desk.refresh()}>Try again</button>
            </p>`
            : nothing
        }
      </nav>
      ${this.confirmation()}
    `;
  }

  protected override updated(): void {
    const field = this.querySelector<HTMLInputElement>(".rename input");
    if (field && document.activeElement !== field) {
      field.focus();
      field.select();
    }
    const dialog = this.querySelector("dialog");
    if (dialog && !dialog.open) dialog.showModal();
  }

  private row(session: Session): TemplateResult {
    const id = session.session_id;
    const title = session.title || "New conversation";
    if (this.renaming === id) return this.rename(session);
    const here = this.desk.current.id === id;
    return html`<li class=${here ? "here" : ""}>
      <a href="#${id}" aria-current=${here ? "page" : nothing} title=${title} @click=${this.chosen} @dblclick=${() => (this.renaming = id)}>
        <span class="title">${title}</span><time datetime=${session.updated_at}>${ago(session.updated_at, Date.now())}</time>
      </a>
      <span class="row-actions">
        <button type="button" aria-label="Rename “${title}”" title="Rename" @click=${() => (this.renaming = id)}>${icon("edit")}</button>
        <button type="button" aria-label="Delete “${title}”" title="Delete" @click=${() => (this.deleting = session)}>${icon("trash")}</button>
      </span>
    </li>`;
  }

  private rename(session: Session): TemplateResult {
    const save = (event: Event): void => {
      const title = (event.target as HTMLInputElement).value.trim();
      if (this.renaming === null) return;
      this.renaming = null;
      if (title !== "" && title !== session.title) void this.desk.rename(session.session_id, title);
    };
    const keydown = (event: KeyboardEvent): void => {
      event.stopPropagation();
      if (event.key === "Enter" && !event.isComposing) save(event);
      if (event.key === "Escape") this.renaming = null;
    };
    return html`<li class="rename">
      <input aria-label="New title" maxlength="120" .value=${session.title} @keydown=${keydown} @blur=${save} />
    </li>`;
  }

  private confirmation(): TemplateResult | typeof nothing {
    const session = this.deleting;
    if (!session) return nothing;
    const remove = (): void => {
      this.deleting = null;
      void this.desk.remove(session.session_id);
    };
    return html`<dialog class="confirm" aria-labelledby="confirm-title" @close=${() => (this.deleting = null)}>
      <h2 id="confirm-title">Delete this conversation?</h2>
      <p>“${session.title || "New conversation"}” and all its messages are erased. This cannot be undone.</p>
      <form method="dialog" class="confirm-row">
        <button class="pill" autofocus>Keep it</button>
        <button type="button" class="pill danger" @click=${remove}>Delete</button>
      </form>
    </dialog>`;
  }

  private readonly fresh = (): void => {
    this.desk.fresh();
    this.chosen();
  };

  private readonly chosen = (): void => {
    this.dispatchEvent(new Event("chosen", { bubbles: true }));
  };
}

function isApple(): boolean {
  return /Mac|iPhone|iPad/.test(navigator.platform);
}

customElements.define("yaoki-sidebar", SidebarElement);
