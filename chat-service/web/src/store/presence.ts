/** Presence: who has a room open, as far as the service said. */
import { Observable } from "./observable";

export class Presence extends Observable {
  private readonly rooms = new Map<string, Set<string>>();

  /** What an opening answered. */
  set(room: string, users: string[]): void {
    this.rooms.set(room, new Set(users));
    this.changed();
  }

  heard(room: string, user: string, online: boolean): void {
    const there = this.rooms.get(room);
    if (online) there?.add(user);
    else there?.delete(user);
    this.changed();
  }

  in(room: string): ReadonlySet<string> {
    return this.rooms.get(room) ?? new Set();
  }

  clear(): void {
    this.rooms.clear();
    this.changed();
  }
}
