import { html, svg, type SVGTemplateResult, type TemplateResult } from "lit";

const PATHS = {
  menu: svg`<path d="M4 7h16M4 12h16M4 17h10" />`,
  plus: svg`<path d="M12 5v14M5 12h14" />`,
  send: svg`<path d="M12 19V5M6 11l6-6 6 6" />`,
  stop: svg`<rect x="7" y="7" width="10" height="10" rx="2" fill="currentColor" stroke="none" />`,
  copy: svg`<rect x="9" y="9" width="11" height="11" rx="2.5" /><path d="M5.5 15A1.5 1.5 0 0 1 4 13.5V6a2 2 0 0 1 2-2h7.5A1.5 1.5 0 0 1 15 5.5" />`,
  edit: svg`<path d="M4 20h4L19 9l-4-4L4 16zM13 7l4 4" />`,
  trash: svg`<path d="M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5.5M13.5 11v5.5" />`,
  close: svg`<path d="M6 6l12 12M18 6L6 18" />`,
  down: svg`<path d="M12 5v14M6 13l6 6 6-6" />`,
  clock: svg`<circle cx="12" cy="12" r="8" /><path d="M12 7.5V12l3 2" />`,
  retry: svg`<path d="M19.5 12a7.5 7.5 0 1 1-2.200-5.300M19.5 4v4h-4" />`,
  alert: svg`<path d="M12 4l9 16H3zM12 10v4.5M12 17.200v.1" />`,
  seam: svg`<path d="M3 12h4.5l2-4.5 4.5 9 2-4.5H21" />`,
} satisfies Record<string, SVGTemplateResult>;

/** A line icon of the size of the text around it. Decoration only: whatever it means is said in words beside it. */
export function icon(name: keyof typeof PATHS): TemplateResult {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${PATHS[name]}</svg>`;
}

/** The tumbler doll that always gets up again. */
export function doll(): TemplateResult {
  return html`<svg class="doll" viewBox="0 0 64 64" aria-hidden="true" focusable="false">
    <path class="doll-body" d="M32 4c15 0 25 12 25 28S47 60 32 60 7 48 7 32 17 4 32 4z" />
    <path class="doll-face" d="M32 15c9.5 0 15.5 5 15.5 12S41 39 32 39s-15.5-5-15.5-12S22.5 15 32 15z" />
    <path class="doll-line" d="M21.5 21.5q4-3 8 0M34.5 21.5q4-3 8 0M29.5 33.5q2.5 1.800 5 0" />
    <circle class="doll-eye" cx="25.5" cy="27" r="2.300" />
    <circle class="doll-eye" cx="38.5" cy="27" r="2.300" />
    <path class="doll-gold" d="M18 47q4 5 8 .5M28 50q4 4 8 0M38 47.5q4 4.5 8-.5" />
  </svg>`;
}
