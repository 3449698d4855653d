/** Marking: words made out in what is shown, without a change to it, where the browser can do that. */
import type { Action } from "svelte/action";

const NAME = "found";

/** Make out what `pattern` finds in the node's `.said` parts. */
export const marking: Action<HTMLElement, RegExp | null> = (node, pattern) => {
  let wanted = pattern;
  const can = "highlights" in CSS && typeof Highlight === "function";
  function mark(): void {
    if (!can) return;
    const ranges: Range[] = [];
    for (const part of wanted === null ? [] : node.querySelectorAll(".said")) {
      const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
      for (let text = walker.nextNode(); text !== null; text = walker.nextNode()) {
        for (const { index, 0: word } of (text.textContent ?? "").matchAll(wanted as RegExp)) {
          const range = new Range();
          range.setStart(text, index);
          range.setEnd(text, index + word.length);
          ranges.push(range);
        }
      }
    }
    CSS.highlights.set(NAME, new Highlight(...ranges));
  }
  const changes = new MutationObserver(mark);
  changes.observe(node, { childList: true, subtree: true, characterData: true });
  mark();
  return {
    update: (next) => {
      wanted = next;
      mark();
    },
    destroy: () => {
      changes.disconnect();
      if (can) CSS.highlights.delete(NAME);
    },
  };
};
