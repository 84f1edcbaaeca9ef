import { html, nothing, type TemplateResult } from "lit";
import { Desk } from "../state/desk.ts";
import { isDraft } from "../state/outbox.ts";
import { GO_ON } from "../words.ts";
import type { ComposerElement, EditEvent, SendEvent } from "./composer.ts";
import "./composer.ts";
import { connectionBadge } from "./connection.ts";
import { PageElement } from "./element.ts";
import { icon } from "./icons.ts";
import type { RemedyEvent } from "./message.ts";
import "./message.ts";
import "./sidebar.ts";
import type { ThreadElement } from "./thread.ts";
import "./thread.ts";

/** The page. */
export class AppElement extends PageElement {
  static override properties = { turn: { state: true }, drawer: { state: true } };

  declare turn: number;
  declare drawer: boolean;
  readonly desk = new Desk(() => {
    this.turn += 1;
  });
  private ticking: ReturnType<typeof setInterval> | null = null;

  constructor() {
    super();
    this.turn = 0;
    this.drawer = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("keydown", this.keydown);
    this.desk.start();
  }

  protected override firstUpdated(): void {
    void this.composer.updateComplete.then(() => this.composer.ready());
  }

  private get composer(): ComposerElement {
    return this.querySelector("yaoki-composer") as ComposerElement;
  }

  private get thread(): ThreadElement {
    return this.querySelector("yaoki-thread") as ThreadElement;
  }

  protected override render(): TemplateResult {
    const { current, outbox } = this.desk;
    const busy = current.stoppable !== null;
    const offline = outbox.problem !== null || ["interrupted", "reconnecting"].includes(current.connection.kind);
    document.title = this.desk.title ? `${this.desk.title} · Yaoki` : "Yaoki";
    return html`<div class="shell ${this.drawer ? "drawer-open" : ""}">
      <aside class="side" id="side">
        <yaoki-sidebar .desk=${this.desk} .turn=${this.turn} @chosen=${this.chosen}></yaoki-sidebar>
      </aside>
      <div class="veil" @click=${() => this.toggle(false)}></div>
      <main class="main" ?inert=${this.drawer && narrow()}>
        <header class="top">
          <button
            type="button"
            class="plain menu"
            aria-label="Conversations"
            aria-expanded=${this.drawer ? "true" : "false"}
            aria-controls="side"
            @click=${() => this.toggle(true)}
          >
            ${icon("menu")}
          </button>
          <h1 class="top-title">${this.desk.title || (isDraft(current.id) ? "New conversation" : "")}</h1>
          ${connectionBadge(current.connection, outbox.problem, () => current.reconnect())}
        </header>
        <yaoki-thread
          .conversation=${current}
          .turn=${this.turn}
          .problem=${outbox.problem}
          @send=${this.send}
          @edit=${(event: EditEvent) => this.composer.write(event.content)}
          @remedy=${this.remedy}
        ></yaoki-thread>
        <div class="dock">
          ${this.notice()}
          <yaoki-composer
            .session=${current.id}
            ?busy=${busy}
            ?stopping=${busy && current.stopping === current.stoppable}
            ?over=${current.over}
            ?offline=${offline}
            @send=${this.send}
            @stop=${() => void current.stop()}
          ></yaoki-composer>
        </div>
      </main>
      <div class="sr-only" role="status" aria-live="polite">${this.desk.said}</div>
    </div>`;
  }

  protected override updated(): void {
    const counting = this.desk.current.connection.kind === "interrupted";
    if (counting && this.ticking === null) this.ticking = setInterval(() => this.requestUpdate(), 500);
    if (!counting && this.ticking !== null) {
      clearInterval(this.ticking);
      this.ticking = null;
    }
  }

  private notice(): TemplateResult | typeof nothing {
    const { notice, connection } = this.desk.current;
    const reason = connection.kind === "ended" ? connection.reason : notice?.reason;
    if (!reason) return nothing;
    const ended = connection.kind === "ended";
    return html`<div class="notice" role="status" data-state=${ended ? "ended" : (notice?.state ?? "")}>
      <span>${reason}</span>
      ${
        ended
          ? html`<button type="button" class="link" @click=${() => this.fresh()}>Start a new one</button>`
          : html`<button type="button" class="plain" aria-label="Dismiss" @click=${() => this.desk.current.dismiss()}>${icon("close")}</button>`
      }
    </div>`;
  }

  private readonly send = (event: SendEvent): void => {
    this.desk.current.send(event.content);
    this.thread.toEnd();
  };

  private readonly remedy = (event: RemedyEvent): void => {
    const { current } = this.desk;
    const question = current.question(event.message) ?? "";
    switch (event.remedy) {
      case "ask_again":
        current.send(question);
        break;
      case "go_on":
        current.send(GO_ON);
        break;
      case "rephrase":
        this.composer.write(question);
        break;
      case "recover":
        void current.recover();
        break;
      case "none":
        break;
    }
    if (event.remedy !== "rephrase") this.composer.ready();
  };

  private fresh(): void {
    this.desk.fresh();
    this.chosen();
  }

  private readonly chosen = (): void => {
    this.toggle(false);
    this.composer.ready();
  };

  private toggle(open: boolean): void {
    this.drawer = open;
    void this.updateComplete.then(() => {
      if (open) this.querySelector<HTMLElement>(".side .new")?.focus();
    });
  }

  private readonly keydown = (event: KeyboardEvent): void => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      this.fresh();
      return;
    }
    if (event.key !== "Escape" || event.defaultPrevented || this.querySelector("dialog[open], :popover-open")) return;
    if (this.drawer) {
      this.toggle(false);
      this.querySelector<HTMLElement>(".menu")?.focus();
    } else if (this.desk.current.stoppable !== null) void this.desk.current.stop();
  };
}

function narrow(): boolean {
  return matchMedia("(max-width: 760px)").matches;
}

customElements.define("yaoki-app", AppElement);
