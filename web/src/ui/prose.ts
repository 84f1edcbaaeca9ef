import { html, render } from "lit";
import type { Mark } from "../state/transcript.ts";
import { icon } from "./icons.ts";
import { markButton } from "./mark.ts";
import { blocksOf, sanitise, type Block } from "./markdown.ts";

/** Private-use characters stand for the marks while the text is parsed: U+E000 for the first, and so on. */
const FIRST_SENTINEL = 0xe000;
const SENTINELS = /[\uE000-\uE0FF]/gu;
const MOST_MARKS = 0x100;
/** Tags as markdown-it writes them: no ">" inside an attribute stays unescaped. */
const TAGS = /<[^>]*>/g;

/** The marks that share one place, in the order in which they happened. */
export interface Seam {
  readonly at: number;
  readonly marks: readonly Mark[];
}

export function seamsOf(marks: readonly Mark[]): Seam[] {
  const places = new Map<number, Mark[]>();
  for (const mark of marks) places.set(mark.atChar, [...(places.get(mark.atChar) ?? []), mark]);
  return [...places].sort(([a], [b]) => a - b).map(([at, together]) => ({ at, marks: together }));
}

/**
 * Shows markdown that grows, with the marks inside the running text.
 *
 * Only blocks that have changed are built again, so a selection in an earlier paragraph survives the next word. A mark
 * stands where it happened, unless that would change how the text is read (inside a fence's opening line, say): then
 * it stands after its block.
 */
export class Prose {
  private readonly root: HTMLElement;
  private shown: { key: string; nodes: ChildNode[] }[] = [];

  constructor(root: HTMLElement) {
    this.root = root;
  }

  update(text: string, seams: readonly Seam[]): void {
    const inner = seams.filter((seam) => seam.at > 0).slice(0, MOST_MARKS);
    const { blocks, after } = place(text.replaceAll(SENTINELS, "\uFFFD"), inner);
    const wanted = blocks.map((block, index) => ({ block, seams: after.get(index) ?? [] }));
    const keys = wanted.map(({ block, seams: behind }) => key(block, behind, inner));
    let same = 0;
    while (same < keys.length && this.shown[same]?.key === keys[same]) same += 1;
    for (const { nodes } of this.shown.splice(same)) for (const node of nodes) node.remove();
    for (const [offset, { block, seams: behind }] of wanted.slice(same).entries()) {
      const fragment = build(block, behind, inner);
      this.shown.push({ key: keys[same + offset] as string, nodes: [...fragment.childNodes] });
      this.root.append(fragment);
    }
  }
}

interface Placed {
  readonly blocks: Block[];
  /** Seams that stand behind a block, by the block's place. */
  readonly after: Map<number, Seam[]>;
}

function place(text: string, seams: readonly Seam[]): Placed {
  const plain = blocksOf(text);
  if (seams.length === 0) return { blocks: plain, after: new Map() };
  const marked = blocksOf(withSentinels(text, seams));
  const harmless =
    marked.length === plain.length &&
    marked.every((block, index) => block.html.replaceAll(SENTINELS, "") === plain[index]?.html) &&
    seams.every((_, index) => marked.some((block) => block.html.replaceAll(TAGS, "").includes(sentinel(index))));
  if (harmless) return { blocks: marked, after: new Map() };
  const after = new Map<number, Seam[]>();
  for (const seam of seams) {
    const line = text.slice(0, unitsOf(text, seam.at)).split("\n").length - 1;
    const index = Math.max(
      0,
      plain.findLastIndex((block) => block.from <= line),
    );
    after.set(index, [...(after.get(index) ?? []), seam]);
  }
  return { blocks: plain, after };
}

/** The text with a sentinel at each seam, moved before white space so that it ends a word and never begins a line. */
function withSentinels(text: string, seams: readonly Seam[]): string {
  let result = "";
  let done = 0;
  for (const [index, seam] of seams.entries()) {
    const end = Math.max(done, text.slice(0, unitsOf(text, seam.at)).trimEnd().length);
    result += text.slice(done, end) + sentinel(index);
    done = end;
  }
  return result + text.slice(done);
}

function build(block: Block, behind: readonly Seam[], inner: readonly Seam[]): DocumentFragment {
  const fragment = sanitise(block.html);
  plantMarks(fragment, inner);
  for (const pre of fragment.querySelectorAll("pre")) dressCode(pre);
  for (const table of fragment.querySelectorAll("table")) {
    const frame = document.createElement("div");
    frame.className = "table";
    table.replaceWith(frame);
    frame.append(table);
  }
  for (const seam of behind) {
    const line = document.createElement("p");
    line.className = "seam";
    line.append(markButton(seam.marks));
    fragment.append(line);
  }
  return fragment;
}

function plantMarks(fragment: DocumentFragment, seams: readonly Seam[]): void {
  const walker = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
  const found: Text[] = [];
  while (walker.nextNode()) {
    const node = walker.currentNode as Text;
    if (node.data.search(SENTINELS) >= 0) found.push(node);
  }
  for (const node of found) {
    let rest = node;
    for (let at = rest.data.search(SENTINELS); at >= 0; at = rest.data.search(SENTINELS)) {
      const mark = rest.splitText(at);
      const seam = seams[(mark.data.codePointAt(0) ?? 0) - FIRST_SENTINEL];
      rest = mark.splitText(1);
      if (seam) mark.replaceWith(markButton(seam.marks));
      else mark.remove();
    }
  }
}

function dressCode(pre: HTMLPreElement): void {
  const code = pre.querySelector("code");
  const language = /language-(\S+)/.exec(code?.className ?? "")?.[1] ?? "";
  const frame = document.createElement("div");
  frame.className = "code";
  pre.replaceWith(frame);
  pre.tabIndex = 0;
  const copy = (event: Event): void => void copyText(codeOf(pre), event.currentTarget as HTMLElement);
  const head = document.createElement("div");
  head.className = "code-head";
  render(
    html`<span>${language}</span>
      <button type="button" class="copy" @click=${copy} aria-label="Copy code">${icon("copy")}<span>Copy</span></button>`,
    head,
  );
  frame.append(head, pre);
}

/** The code alone, without the marks in it. */
function codeOf(pre: HTMLPreElement): string {
  const bare = pre.cloneNode(true) as HTMLPreElement;
  for (const mark of bare.querySelectorAll(".mark")) mark.remove();
  return bare.textContent ?? "";
}

/** Copies, and says so on the button for a moment. */
export async function copyText(text: string, button: HTMLElement): Promise<void> {
  const label = button.querySelector("span");
  const done = await navigator.clipboard?.writeText(text).then(
    () => true,
    () => false,
  );
  button.classList.add("copied");
  if (label) label.textContent = done ? "Copied" : "Not allowed";
  setTimeout(() => {
    button.classList.remove("copied");
    if (label) label.textContent = "Copy";
  }, 1_600);
}

function key(block: Block, behind: readonly Seam[], inner: readonly Seam[]): string {
  const inside = [...block.html.matchAll(SENTINELS)].map((match) => inner[match[0].charCodeAt(0) - FIRST_SENTINEL]);
  return `${block.html}\u0000${JSON.stringify([...inside, ...behind].map((seam) => seam?.marks))}`;
}

function sentinel(index: number): string {
  return String.fromCharCode(FIRST_SENTINEL + index);
}

/** The place in UTF-16 units of a place in code points. */
function unitsOf(text: string, chars: number): number {
  let units = 0;
  let left = chars;
  for (const char of text) {
    if (left === 0) break;
    units += char.length;
    left -= 1;
  }
  return units;
}
