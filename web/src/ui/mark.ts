import { html, render } from "lit";
import type { Mark } from "../state/transcript.ts";
import { headline, story } from "../words.ts";
import { icon } from "./icons.ts";

/** A small button in the running text; pressing it tells what happened there and what was done. */
export function markButton(marks: readonly Mark[]): HTMLElement {
  const holder = document.createElement("span");
  holder.className = "mark";
  holder.dataset["marks"] = marks.map((mark) => mark.type).join(" ");
  const title = headline(marks);
  render(
    html`<button type="button" class="mark-button" aria-haspopup="dialog" title=${title} @click=${() => tell(holder, marks)}>
      ${icon("seam")}<span class="mark-word">${title}</span>
    </button>`,
    holder,
  );
  return holder;
}

function tell(anchor: HTMLElement, marks: readonly Mark[]): void {
  const note = document.createElement("div");
  note.className = "mark-note";
  note.popover = "auto";
  note.setAttribute("role", "dialog");
  note.setAttribute("aria-label", "What happened here");
  note.tabIndex = -1;
  render(
    html`<h2>${headline(marks)}</h2>
      ${marks.map(story).map(({ happened, done }) => html`<p>${happened} <span>${done}</span></p>`)}`,
    note,
  );
  note.addEventListener("toggle", (event) => {
    if ((event as ToggleEvent).newState !== "closed") return;
    note.remove();
  });
  document.body.append(note);
  note.showPopover();
  put(note, anchor.getBoundingClientRect());
  note.focus();
}

/** Under the mark, or above it where there is no room, and never beyond the window's edge. */
function put(note: HTMLElement, place: DOMRect): void {
  const size = note.getBoundingClientRect();
  const left = Math.min(Math.max(12, place.left - 16), innerWidth - size.width - 12);
  const below = place.bottom + 8;
  const top = below + size.height > innerHeight - 12 ? Math.max(12, place.top - size.height - 8) : below;
  note.style.left = `${left}px`;
  note.style.top = `${top}px`;
}
