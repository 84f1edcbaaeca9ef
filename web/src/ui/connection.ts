import { html, nothing, type TemplateResult } from "lit";
import type { Connection } from "../wire/follow.ts";

/** The state of the connection in a few words; quiet while all is well. */
export function connectionBadge(connection: Connection, problem: string | null, now: () => void): TemplateResult {
  const kind = connection.kind === "idle" && problem !== null ? "interrupted" : connection.kind;
  return html`<div class="connection" data-connection=${kind} title=${"reason" in connection ? connection.reason : nothing}>
    <span class="dot" aria-hidden="true"></span><span class="connection-text">${words(connection, problem)}</span>
    ${kind === "interrupted" ? html`<button type="button" class="link" @click=${now}>Now</button>` : nothing}
  </div>`;
}

function words(connection: Connection, problem: string | null): string {
  switch (connection.kind) {
    case "idle":
      return problem === null ? "" : "No connection";
    case "connecting":
      return "Connecting…";
    case "live":
      return "Live";
    case "interrupted": {
      const seconds = Math.max(1, Math.ceil((connection.retryAt - performance.now()) / 1_000));
      return `Interrupted · again in ${seconds} s`;
    }
    case "reconnecting":
      return "Reconnecting…";
    case "ended":
      return "Ended";
  }
}
