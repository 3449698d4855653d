/** Markdown of messages, read into a typed tree: text never becomes HTML, whatever it holds. */

export type Inline =
  | { type: "text"; text: string }
  | { type: "break" }
  | { type: "code"; text: string }
  | { type: "mention"; handle: string }
  | { type: "link"; href: string; content: Inline[] }
  | { type: "bold"; content: Inline[] }
  | { type: "italic"; content: Inline[] }
  | { type: "strike"; content: Inline[] };

export type Block =
  | { type: "paragraph"; content: Inline[] }
  | { type: "code"; text: string }
  | { type: "quote"; content: Block[] }
  | { type: "list"; ordered: boolean; start: number; items: Inline[][] };

/** How deep quotes and emphasis go: deeper ones stay as they were typed. */
const DEEPEST = 6;

export function parse(text: string): Block[] {
  return blocks(text.split("\n"), 0);
}

const FENCE = /^\s{0,3}```/;
const QUOTE = /^\s{0,3}>\s?/;
const BULLET = /^\s{0,3}[-*+]\s+(?=\S)/;
const NUMBER = /^\s{0,3}(\d{1,6})[.)]\s+(?=\S)/;

function blocks(lines: string[], depth: number): Block[] {
  const found: Block[] = [];
  let at = 0;
  /** Take lines from here on while they are of a kind. */
  const run = (is: (line: string) => boolean): string[] => {
    const from = at;
    while (at < lines.length && is(lines[at] ?? "")) at += 1;
    return lines.slice(from, at);
  };
  while (at < lines.length) {
    const line = lines[at] ?? "";
    if (line.trim() === "") {
      at += 1;
    } else if (FENCE.test(line)) {
      at += 1;
      found.push({ type: "code", text: run((one) => !FENCE.test(one)).join("\n") });
      at += 1;
    } else if (QUOTE.test(line) && depth < DEEPEST) {
      const quoted = run((one) => QUOTE.test(one)).map((one) => one.replace(QUOTE, ""));
      found.push({ type: "quote", content: blocks(quoted, depth + 1) });
    } else if (BULLET.test(line)) {
      found.push(
        list(
          run((one) => BULLET.test(one)),
          BULLET,
        ),
      );
    } else if (NUMBER.test(line)) {
      found.push(
        list(
          run((one) => NUMBER.test(one)),
          NUMBER,
        ),
      );
    } else {
      const first = lines[at] ?? "";
      at += 1;
      const rest = run((one) => one.trim() !== "" && !startsBlock(one, depth));
      found.push({ type: "paragraph", content: inline([first, ...rest].join("\n")) });
    }
  }
  return found;
}

function startsBlock(line: string, depth: number): boolean {
  return FENCE.test(line) || BULLET.test(line) || NUMBER.test(line) || (depth < DEEPEST && QUOTE.test(line));
}

function list(lines: string[], mark: RegExp): Block {
  const start = Number(NUMBER.exec(lines[0] ?? "")?.[1] ?? 1);
  const items = lines.map((line) => inline(line.replace(mark, "")));
  return { type: "list", ordered: mark === NUMBER, start, items };
}

const MARKS = [
  ["**", "bold"],
  ["__", "bold"],
  ["~~", "strike"],
  ["*", "italic"],
  ["_", "italic"],
] as const;

const SPECIAL = /[\n\\`*_~[@]|https?:\/\//;
const BARE_LINK = /^https?:\/\/[^\s<>"'`|\\^{}]+/;
const MENTION = /^@([a-z0-9](?:[a-z0-9._-]{0,30}[a-z0-9])?)/i;
const WORD = /[\p{L}\p{N}]/u;

/** Read what stands within a block. */
export function inline(text: string, depth = 0): Inline[] {
  const found: Inline[] = [];
  /** Closing marks that are not in the rest: looking for each again and again would take long. */
  const absent = new Set<string>();
  let plain = "";
  let at = 0;
  const take = (node: Inline, length: number) => {
    if (plain !== "") found.push({ type: "text", text: plain });
    plain = "";
    found.push(node);
    at += length;
  };
  while (at < text.length) {
    const next = text.slice(at).search(SPECIAL);
    if (next !== 0) {
      plain += next === -1 ? text.slice(at) : text.slice(at, at + next);
      at = next === -1 ? text.length : at + next;
      continue;
    }
    const node = special(text, at, depth, absent);
    if (node === null) {
      plain += text[at] ?? "";
      at += 1;
    } else if ("plain" in node) {
      plain += node.plain;
      at += node.length;
    } else {
      take(node.node, node.length);
    }
  }
  if (plain !== "") found.push({ type: "text", text: plain });
  return found;
}

type Taken = { node: Inline; length: number } | { plain: string; length: number };

function special(text: string, at: number, depth: number, absent: Set<string>): Taken | null {
  switch (text[at]) {
    case "\n":
      return { node: { type: "break" }, length: 1 };
    case "\\": {
      const escaped = text[at + 1] ?? "";
      return /[\\`*_~[\]()>@#+.!-]/.test(escaped) ? { plain: escaped, length: 2 } : null;
    }
    case "`":
      return code(text, at, absent);
    case "[":
      return depth < DEEPEST ? link(text, at, depth) : null;
    case "@":
      return mention(text, at);
    case "h":
      return bareLink(text, at);
    default:
      return depth < DEEPEST ? emphasis(text, at, depth, absent) : null;
  }
}

function code(text: string, at: number, absent: Set<string>): Taken | null {
  const ticks = /^`+/.exec(text.slice(at, at + 9))?.[0] ?? "`";
  const end = closing(text, ticks, at + ticks.length, absent);
  if (end === -1) return { plain: ticks, length: ticks.length };
  const content = text.slice(at + ticks.length, end);
  return { node: { type: "code", text: content.trim() || content }, length: end + ticks.length - at };
}

function closing(text: string, mark: string, from: number, absent: Set<string>): number {
  if (absent.has(mark)) return -1;
  const end = text.indexOf(mark, from);
  if (end === -1) absent.add(mark);
  return end > from ? end : -1;
}

function emphasis(text: string, at: number, depth: number, absent: Set<string>): Taken | null {
  for (const [mark, type] of MARKS) {
    if (!text.startsWith(mark, at)) continue;
    const start = at + mark.length;
    // snake_case_words and 2 * 3 * 4 are no emphasis.
    if (/\s/.test(text[start] ?? " ") || (mark.startsWith("_") && WORD.test(text[at - 1] ?? ""))) continue;
    const end = closer(text, mark, start, absent);
    if (end === -1) continue;
    const content = inline(text.slice(start, end), depth + 1);
    return { node: { type, content }, length: end + mark.length - at };
  }
  return null;
}

function closer(text: string, mark: string, from: number, absent: Set<string>): number {
  let end = closing(text, mark, from, absent);
  for (let tries = 0; end !== -1 && tries < 20; tries += 1) {
    const spaced = /\s/.test(text[end - 1] ?? "");
    const inWord = mark.startsWith("_") && WORD.test(text[end + mark.length] ?? "");
    const longer = mark.length === 1 && (text[end + 1] === mark || text[end - 1] === mark);
    if (!spaced && !inWord && !longer) return end;
    end = text.indexOf(mark, end + (longer ? 2 : 1));
  }
  return -1;
}

function link(text: string, at: number, depth: number): Taken | null {
  const found = /^\[([^[\]\n]{1,500})\]\((\S{1,2000}?)\)/.exec(text.slice(at, at + 2600));
  const href = safeAddress(found?.[2] ?? "");
  if (found === null || href === null) return null;
  const content = inline(found[1] ?? "", DEEPEST).filter(({ type }) => type !== "link");
  return depth < DEEPEST ? { node: { type: "link", href, content }, length: found[0].length } : null;
}

function bareLink(text: string, at: number): Taken | null {
  const found = BARE_LINK.exec(text.slice(at, at + 2100))?.[0];
  if (found === undefined || WORD.test(text[at - 1] ?? "")) return null;
  // What ends a sentence ends the address; a bracket belongs to it where it was opened in it.
  let address = found.replace(/[.,;:!?*_~]+$/, "");
  if (address.endsWith(")") && !address.includes("(")) address = address.slice(0, -1);
  const href = safeAddress(address);
  if (href === null) return null;
  return { node: { type: "link", href, content: [{ type: "text", text: address }] }, length: address.length };
}

function mention(text: string, at: number): Taken | null {
  const found = MENTION.exec(text.slice(at, at + 40));
  if (found?.[1] === undefined || WORD.test(text[at - 1] ?? "")) return null;
  return { node: { type: "mention", handle: found[1].toLowerCase() }, length: found[0].length };
}

/** The address, where it leads to a page or a mailbox and nowhere else. */
export function safeAddress(text: string): string | null {
  try {
    const url = new URL(text);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}
