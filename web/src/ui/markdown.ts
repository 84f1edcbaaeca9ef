import DOMPurify from "dompurify";
import MarkdownIt from "markdown-it";

/**
 * Model text to DOM, in two walls: markdown-it lets no HTML through, DOMPurify keeps only what prose needs.
 *
 * There is no raw HTML, no image (an image in model text is a request to a place of the model's choosing), no style, no
 * frame, no SVG, and links lead to http, https and mailto only.
 */
const markdown = new MarkdownIt({ html: false, linkify: true, breaks: true });

markdown.renderer.rules["image"] = (tokens, index) => {
  const token = tokens[index];
  const source = String(token?.attrGet("src") ?? "");
  const label = markdown.utils.escapeHtml(token?.content || source);
  return `<a href="${markdown.utils.escapeHtml(source)}">${label}</a>`;
};

// Table alignment arrives as inline style, which the page's policy forbids.
markdown.core.ruler.push("alignment", (state) => {
  for (const token of state.tokens) {
    const style = token.attrGet("style");
    if (style === null) continue;
    token.attrs = (token.attrs ?? []).filter(([key]) => key !== "style");
    token.attrSet("class", String(style).replace("text-align:", "align-"));
  }
});

const ALLOWED_TAGS = [
  ..."a p br hr em strong s code pre blockquote ul ol li h1 h2 h3 h4 h5 h6".split(" "),
  ..."table thead tbody tr th td".split(" "),
];

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A") return;
  if (!node.hasAttribute("href")) return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
});

/** Turns the HTML of one block into nodes that are safe to show. */
export function sanitise(html: string): DocumentFragment {
  return DOMPurify.sanitize(html, {
    ALLOWED_TAGS,
    ALLOWED_ATTR: ["href", "title", "start", "class"],
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
}

/** The HTML of one top-level block, and the lines of the source that it covers: `[from, to)`. */
export interface Block {
  readonly html: string;
  readonly from: number;
  readonly to: number;
}

/** The top-level blocks of a text. While it grows, all but the last few stay as they are. */
export function blocksOf(text: string): Block[] {
  const env = {};
  const tokens = markdown.parse(text, env);
  const blocks: Block[] = [];
  let start = 0;
  let depth = 0;
  for (const [index, token] of tokens.entries()) {
    depth += token.nesting;
    if (depth !== 0) continue;
    const group = tokens.slice(start, index + 1);
    const [from, to] = group[0]?.map ?? [0, 0];
    blocks.push({ html: markdown.renderer.render(group, markdown.options, env), from, to });
    start = index + 1;
  }
  return blocks;
}
