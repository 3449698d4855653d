/** Roving focus: the arrows go through a list, Tab goes past it. */
import type { Action } from "svelte/action";

const STEPS: Record<string, (at: number, count: number) => number> = {
  ArrowDown: (at, count) => Math.min(at + 1, count - 1),
  ArrowUp: (at) => Math.max(at - 1, 0),
  Home: () => 0,
  End: (_, count) => count - 1,
};

/** Arrows move between the elements that `selector` finds; all of them stay reachable by Tab. */
export const roving: Action<HTMLElement, string> = (node, selector) => {
  function pressed(event: KeyboardEvent): void {
    const step = STEPS[event.key];
    const items = [...node.querySelectorAll<HTMLElement>(selector)];
    const at = items.indexOf(document.activeElement as HTMLElement);
    if (step === undefined || at === -1) return;
    // Within a field they move the caret.
    if (items[at] instanceof HTMLInputElement && event.key !== "ArrowDown") return;
    event.preventDefault();
    items[step(at, items.length)]?.focus();
  }
  node.addEventListener("keydown", pressed);
  return { destroy: () => node.removeEventListener("keydown", pressed) };
};
