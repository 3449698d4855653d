/** Messages are read as people mean them, and can hold nothing that a browser would run. */
import { describe, expect, it } from "vitest";
import { inline, parse, safeAddress, type Inline } from "../src/markdown/parse";

function plain(nodes: Inline[]): string {
  const marks = { bold: "B", italic: "I", strike: "S" } as const;
  return nodes
    .map((node) => {
      switch (node.type) {
        case "text":
          return node.text;
        case "break":
          return "/";
        case "code":
          return `<${node.text}>`;
        case "mention":
          return `{${node.handle}}`;
        case "link":
          return `[${plain(node.content)}|${node.href}]`;
        default:
          return `${marks[node.type]}(${plain(node.content)})`;
      }
    })
    .join("");
}

describe("text within a paragraph", () => {
  it.each([
    ["just words", "just words"],
    ["**bold** and *slanted* and _so_", "B(bold) and I(slanted) and I(so)"],
    ["**bold with *slant* in it**", "B(bold with I(slant) in it)"],
    ["~~gone~~", "S(gone)"],
    ["snake_case_word", "snake_case_word"],
    ["2 * 3 * 4", "2 * 3 * 4"],
    ["an unclosed **mark", "an unclosed **mark"],
    ["`code with *stars*`", "<code with *stars*>"],
    ["a ` alone", "a ` alone"],
    ["\\*as typed\\*", "*as typed*"],
    ["one\ntwo", "one/two"],
    ["hello @ada.", "hello {ada}."],
    ["mail me@example.org", "mail me@example.org"],
    ["see https://example.org/a_b_c.", "see [https://example.org/a_b_c|https://example.org/a_b_c]."],
    ["(https://example.org/x)", "([https://example.org/x|https://example.org/x])"],
    ["[here](https://example.org)", "[here|https://example.org/]"],
    ["[here](javascript:alert(1))", "[here](javascript:alert(1))"],
    ["[here](data:text/html,x)", "[here](data:text/html,x)"],
    ["<script>alert(1)</script>", "<script>alert(1)</script>"],
  ])("%s", (text, expected) => expect(plain(inline(text))).toBe(expected));

  it.each(["*", "`", "[", "_*", "**a ", "@", "](", "https://", "*_~"])("ends soon for many %s", (piece) => {
    const began = performance.now();
    parse(piece.repeat(8000 / piece.length));
    expect(performance.now() - began).toBeLessThan(1500);
  });
});

describe("blocks", () => {
  it("are told apart", () => {
    const text =
      "Intro\n- one\n- two\n\n3. three\n4. four\n> quoted\n> > twice\n```js\nlet a = '*';\n```\nend";
    expect(parse(text).map(({ type }) => type)).toEqual([
      "paragraph",
      "list",
      "list",
      "quote",
      "code",
      "paragraph",
    ]);
  });

  it("keep code as it is, also without its end", () => {
    expect(parse("```\n  a *b*\n\nc")).toEqual([{ type: "code", text: "  a *b*\n\nc" }]);
  });

  it("begin counting where the writer did", () => {
    expect(parse("7. seven")).toMatchObject([{ type: "list", ordered: true, start: 7 }]);
  });
});

describe("addresses", () => {
  it("lead to pages and mailboxes only", () => {
    expect(safeAddress("https://example.org")).toBe("https://example.org/");
    expect(safeAddress("mailto:ada@example.org")).toBe("mailto:ada@example.org");
    for (const text of [
      "javascript:x",
      " JavaScript:x",
      "data:,x",
      "vbscript:x",
      "file:///etc",
      "//a",
      "x",
    ]) {
      expect(safeAddress(text)).toBeNull();
    }
  });
});
