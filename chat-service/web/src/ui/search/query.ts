/** The language of searches, as far as the client writes it itself: filters are put in and taken out. */
import type { RoomSummary } from "../../protocol/wire";

/** A search in one room: by its name, where it has one that can be written between quotes. */
export function inRoom({ room, kind, name }: Pick<RoomSummary, "room" | "kind" | "name">): string {
  if (kind === "direct" || name === "" || name.includes('"')) return `in:${room}`;
  return /^[\p{L}\p{N}_-]+$/u.test(name) ? `in:${name}` : `in:"${name}"`;
}

const terms = (query: string): string[] => query.match(/\S*"[^"]*"|\S+/g) ?? [];

export function has(query: string, filter: string): boolean {
  return terms(query).includes(filter);
}

/** The query with the filter where it had none, and without it where it had. */
export function toggled(query: string, filter: string): string {
  const left = terms(query).filter((term) => term !== filter);
  const all = has(query, filter) ? left : [...left, filter];
  return all.length === 0 ? "" : `${all.join(" ")} `;
}

/** What is to be made out in what was found: words, beginnings and phrases, without the filters. */
export function wanted(query: string): RegExp | null {
  const words = terms(query)
    .filter((term) => !/^(from|in|has):/i.test(term))
    .map((term) => term.replace(/^"|"$|\*$/g, "").trim())
    .filter((word) => /[\p{L}\p{N}]/u.test(word))
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return words.length === 0 ? null : new RegExp(`(?<![\\p{L}\\p{N}])(?:${words.join("|")})`, "giu");
}
