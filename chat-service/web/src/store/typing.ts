/** Typing: who types where, until they stop, send, or are not heard of for a while. */
import type { Clock } from "./clock";
import { Observable } from "./observable";

/** Whoever types says so again before this. */
export const TYPING_LASTS_MS = 6_000;
export const TYPING_AGAIN_MS = 3_000;

export class Typing extends Observable {
  private readonly rooms = new Map<string, Map<string, () => void>>();

  constructor(private readonly clock: Clock) {
    super();
  }

  heard(room: string, user: string, on: boolean): void {
    const there = this.rooms.get(room) ?? new Map<string, () => void>();
    this.rooms.set(room, there);
    there.get(user)?.();
    there.delete(user);
    if (on)
      there.set(
        user,
        this.clock.later(TYPING_LASTS_MS, () => this.heard(room, user, false)),
      );
    this.changed();
  }

  in(room: string): string[] {
    return [...(this.rooms.get(room)?.keys() ?? [])];
  }
}

/** Says that this person types: at once, then now and then, and that they stopped. */
export class OwnTyping {
  private room: string | null = null;
  private saidAt = 0;
  private callOff: () => void = () => undefined;

  constructor(
    private readonly clock: Clock,
    private readonly say: (room: string, on: boolean) => void,
  ) {}

  typed(room: string): void {
    if (this.room !== room) this.stopped();
    if (this.room === null || this.clock.now() - this.saidAt >= TYPING_AGAIN_MS) {
      this.room = room;
      this.saidAt = this.clock.now();
      this.say(room, true);
    }
    this.callOff();
    this.callOff = this.clock.later(TYPING_LASTS_MS, () => this.stopped());
  }

  stopped(): void {
    this.callOff();
    if (this.room !== null) this.say(this.room, false);
    this.room = null;
  }
}
