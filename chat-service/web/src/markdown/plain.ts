/** The words of a message without their marks, for where they stand in one line. */
import { parse, type Block, type Inline } from "./parse";

export function plain(text: string): string {
  return parse(text).map(blockWords).join(" ").replace(/\s+/g, " ").trim();
}

function blockWords(block: Block): string {
  switch (block.type) {
    case "paragraph":
      return words(block.content);
    case "code":
      return block.text;
    case "quote":
      return block.content.map(blockWords).join(" ");
    case "list":
      return block.items.map(words).join(", ");
  }
}

function words(nodes: Inline[]): string {
  return nodes.map(word).join("");
}

function word(node: Inline): string {
  switch (node.type) {
    case "text":
    case "code":
      return node.text;
    case "break":
      return " ";
    case "mention":
      return `@${node.handle}`;
    default:
      return words(node.content);
  }
}
