/** Markers: how far the others have read, in rooms where that is shown. */
import type { ReadMarker, RoomKind } from "../protocol/wire";
import { Observable } from "./observable";

export interface MarkersMeans {
  markers: (room: string) => Promise<ReadMarker[]>;
  /** How many people are in a room. */
  people: (room: string) => Promise<number>;
  me: () => string;
}

/** In larger rooms it would say more about the room than about the message. */
export const MOST_PEOPLE = 30;

export class Markers extends Observable {
  private readonly rooms = new Map<string, Map<string, number>>();

  constructor(private readonly means: MarkersMeans) {
    super();
  }

  /** A room was opened: ask where its people are. What cannot be had is not shown. */
  async load(room: string, kind: RoomKind): Promise<void> {
    try {
      const shown = kind === "direct" || (await this.means.people(room)) <= MOST_PEOPLE;
      if (!shown) this.rooms.delete(room);
      else {
        // Held from now: what is heard before the answer comes counts, too.
        this.rooms.set(room, this.rooms.get(room) ?? new Map<string, number>());
        for (const { user, seq } of await this.means.markers(room)) this.raise(room, user, seq);
      }
    } catch {
      return;
    }
    this.changed();
  }

  /** The `read` event. */
  heard(room: string, user: string, seq: number): void {
    if (!this.rooms.has(room)) return;
    this.raise(room, user, seq);
    this.changed();
  }

  /** Who else has read up to this seq, the one who came furthest first. */
  seen(room: string, seq: number): string[] {
    const markers = [...(this.rooms.get(room) ?? [])];
    return markers
      .filter(([user, upto]) => upto >= seq && user !== this.means.me())
      .sort(([one, a], [other, b]) => b - a || (one < other ? -1 : 1))
      .map(([user]) => user);
  }

  /** The furthest that anybody else has read. */
  furthest(room: string): number {
    const others = [...(this.rooms.get(room) ?? [])].filter(([user]) => user !== this.means.me());
    return Math.max(0, ...others.map(([, seq]) => seq));
  }

  /** A marker only goes on: what is older than what is known came late. */
  private raise(room: string, user: string, seq: number): void {
    const markers = this.rooms.get(room) ?? new Map<string, number>();
    markers.set(user, Math.max(seq, markers.get(user) ?? 0));
    this.rooms.set(room, markers);
  }
}
