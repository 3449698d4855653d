/** What rooms and people are called on screen. */
import type { RoomSummary } from "../protocol/wire";
import type { People } from "../store/people";
import { texts } from "../texts";

export function personName(people: People, id: string, given?: string): string {
  if (given !== undefined) return given;
  return people.get(id)?.name ?? texts.people.unknown;
}

export function roomName(
  room: Pick<RoomSummary, "name" | "with_user" | "kind"> | undefined,
  people: People,
): string {
  if (room?.kind === "direct" && room.with_user !== null) return personName(people, room.with_user);
  return room?.name || texts.rooms.unnamed;
}

/** One or two letters that stand for a name. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map(
    (word) => [...(word ?? "")][0] ?? "",
  );
  return letters.join("").toUpperCase();
}

/** One of eight tints, the same for the same id. */
export function tint(id: string): number {
  let sum = 0;
  for (const letter of id) sum = Math.imul(sum ^ letter.charCodeAt(0), 0x01000193) >>> 0;
  return (sum >>> 13) % 8;
}
