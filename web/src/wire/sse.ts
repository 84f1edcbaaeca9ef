/** One event of a stream: its id, where it has one, and its data. */
export interface ServerEvent {
  readonly id: string | null;
  readonly data: string;
}

/**
 * Cuts text that arrives in arbitrary pieces into server-sent events.
 *
 * Follows the grammar of the HTML standard (LF, CRLF or CR; comments; data over several lines) with one difference: an
 * id belongs to its own event only, since frames without an id (preludes, heartbeats) must not move the place to
 * resume from.
 */
export class EventParser {
  private rest = "";
  private id: string | null = null;
  private data: string[] = [];

  /** Takes the next piece and gives the events that are complete now. */
  push(piece: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    const text = this.rest + piece;
    let start = 0;
    for (;;) {
      const end = nextBreak(text, start);
      if (end === null) break;
      const event = this.line(text.slice(start, end.at));
      if (event) events.push(event);
      start = end.next;
    }
    this.rest = text.slice(start);
    return events;
  }

  private line(line: string): ServerEvent | null {
    if (line === "") return this.flush();
    if (line.startsWith(":")) return null;
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") this.data.push(value);
    else if (name === "id") this.id = value;
    return null;
  }

  private flush(): ServerEvent | null {
    const event = this.data.length > 0 ? { id: this.id, data: this.data.join("\n") } : null;
    this.id = null;
    this.data = [];
    return event;
  }
}

/** The next line break at or after `from`; null while a lone CR at the very end may still become CRLF. */
function nextBreak(text: string, from: number): { at: number; next: number } | null {
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (char === "\n") return { at, next: at + 1 };
    if (char === "\r") {
      if (at + 1 === text.length) return null;
      return { at, next: text[at + 1] === "\n" ? at + 2 : at + 1 };
    }
  }
  return null;
}
