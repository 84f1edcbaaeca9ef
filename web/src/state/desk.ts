import { deleteSession, fetchSession, listSessions, renameSession, RequestError, type Session } from "../wire/http.ts";
import { Conversation } from "./conversation.ts";
import { isDraft, newId, Outbox } from "./outbox.ts";

const PAGE = 50;

/** Everything the page knows: the sessions, and the one that is open. The address's fragment names the open one. */
export class Desk {
  sessions: readonly Session[] = [];
  more = false;
  listed = false;
  problem: string | null = null;
  /** The last thing said to people who listen instead of looking. */
  said = "";
  readonly outbox: Outbox;
  current: Conversation;
  private readonly changed: () => void;
  /** The open session, where it is too old to be in the list. */
  private unlisted: Session | null = null;
  private refreshing: Promise<void> | null = null;
  private again = false;

  constructor(changed: () => void) {
    this.changed = changed;
    this.outbox = new Outbox({
      changed: () => this.changed(),
      settled: (draft, session) => {
        if (this.current.id === draft) this.show(session);
        void this.refresh();
      },
    });
    this.current = this.conversation(fromAddress() ?? newDraft());
  }

  start(): void {
    addEventListener("hashchange", () => {
      const named = fromAddress();
      if (named !== null && named !== this.current.id) this.show(named);
      if (named === null && !isDraft(this.current.id)) this.fresh();
    });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") void this.refresh();
    });
    this.current.open();
    this.outbox.now();
    void this.refresh();
  }

  get title(): string {
    return this.known(this.current.id)?.title ?? "";
  }

  show(session: string): void {
    if (session === this.current.id) return;
    this.current.close();
    this.current = this.conversation(session);
    const fragment = isDraft(session) ? "" : `#${session}`;
    if (location.hash !== fragment) history.pushState(null, "", `${location.pathname}${fragment}`);
    this.current.open();
    this.changed();
    if (!this.known(session)) void this.refresh();
  }

  fresh(): void {
    if (isDraft(this.current.id) && this.current.queue.length === 0) return;
    this.show(newDraft());
  }

  async rename(session: string, title: string): Promise<void> {
    await this.attempt(() => renameSession(session, title));
  }

  async remove(session: string): Promise<void> {
    if (!(await this.attempt(() => deleteSession(session)))) return;
    this.outbox.drop(session);
    this.sessions = this.sessions.filter((known) => known.session_id !== session);
    if (this.current.id === session) this.fresh();
  }

  /** Reads the newest sessions again; asked while it is reading, it reads once more. */
  async refresh(): Promise<void> {
    if (this.refreshing) {
      this.again = true;
      return this.refreshing;
    }
    this.refreshing = this.reread();
    await this.refreshing;
    this.refreshing = null;
    if (this.again) {
      this.again = false;
      await this.refresh();
    }
  }

  async older(): Promise<void> {
    const last = this.sessions.at(-1);
    if (!last) return;
    await this.list(async () => {
      const page = await listSessions(last.session_id);
      this.sessions = [...this.sessions, ...page];
      this.more = page.length === PAGE;
    });
  }

  private async reread(): Promise<void> {
    await this.list(async () => {
      const page = await listSessions();
      const newest = new Set(page.map((session) => session.session_id));
      const rest = page.length === PAGE ? this.sessions.slice(PAGE).filter((old) => !newest.has(old.session_id)) : [];
      this.more = page.length === PAGE && (this.more || rest.length === 0);
      this.sessions = [...page, ...rest];
      this.listed = true;
      await this.lookUp(this.current.id);
    });
  }

  private known(id: string): Session | undefined {
    return [...this.sessions, this.unlisted].find((session) => session?.session_id === id) ?? undefined;
  }

  private async lookUp(id: string): Promise<void> {
    if (isDraft(id) || this.sessions.some((session) => session.session_id === id)) return;
    try {
      this.unlisted = await fetchSession(id);
    } catch (error) {
      // That it does not exist is said where it is shown.
      if (!(error instanceof RequestError) || error.status !== 404) throw error;
    }
  }

  private async list(read: () => Promise<void>): Promise<void> {
    try {
      await read();
      this.problem = null;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.problem = error.message;
    }
    this.changed();
  }

  private async attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (error.status !== 404) {
        this.problem = error.message;
        this.changed();
        return false;
      }
    }
    void this.refresh();
    return true;
  }

  private conversation(id: string): Conversation {
    return new Conversation(id, this.outbox, {
      changed: () => this.changed(),
      moved: () => void this.refresh(),
      announce: (text) => {
        this.said = text;
      },
    });
  }
}

function fromAddress(): string | null {
  return location.hash.length > 1 ? location.hash.slice(1) : null;
}

function newDraft(): string {
  return `draft:${newId()}`;
}
