import { LitElement } from "lit";

/**
 * The base of the page's elements. They render into the page itself: one style sheet, one tree for assistive
 * technology, and labels that can point anywhere.
 */
export class PageElement extends LitElement {
  protected override createRenderRoot(): HTMLElement {
    return this;
  }
}
