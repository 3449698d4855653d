/** Pins: the messages that a room has pinned, the newest pin first. */
import { Problem } from "../protocol/problem";
import type { Rest } from "../protocol/rest";
import type { Entry } from "../protocol/wire";
import { applied, received, type Message } from "./folding";
import { Observable } from "./observable";

export interface PinsMeans {
  rest: Pick<Rest, "pins">;
  /** A message of a room, where it is held. */
  message: (room: string, seq: number) => Message | undefined;
}

/** One room's are held: those of the room where somebody looked last. */
export class Pins extends Observable {
  room: string | null = null;
  /** Null until they came. */
  messages: readonly Message[] | null = null;
  problem: Problem | null = null;
  private asked: { since: Entry[]; again: boolean } | null = null;

  constructor(private readonly means: PinsMeans) {
    super();
  }

  /** Look at a room's pins. */
  look(room: string): void {
    if (room === this.room && this.messages !== null) return;
    if (room !== this.room) {
      this.messages = null;
      this.asked = null;
    }
    this.room = room;
    void this.load();
  }

  /** An entry of a room came, in its order. */
  take(change: Entry): void {
    if (change.room !== this.room) return;
    this.asked?.since.push(change);
    if (this.messages !== null) this.apply(change);
  }

  /** A room's log began anew. */
  began(room: string): void {
    if (room !== this.room) return;
    this.asked = null;
    this.messages = null;
    void this.load();
  }

  private async load(): Promise<void> {
    const { room } = this;
    if (room === null) return;
    if (this.asked !== null) {
      this.asked.again = true;
      return;
    }
    const asked = { since: [] as Entry[], again: false };
    this.asked = asked;
    this.problem = null;
    this.changed();
    try {
      const { messages, as_of } = await this.means.rest.pins(room);
      if (this.asked !== asked) return;
      this.asked = null;
      this.messages = messages.map((message) => received(message, as_of));
      for (const change of asked.since) if (change.seq > as_of) this.apply(change);
    } catch (thrown) {
      if (this.asked !== asked) return;
      this.asked = null;
      this.problem = Problem.of(thrown);
    }
    if (asked.again) void this.load();
    this.changed();
  }

  private apply(change: Entry): void {
    const before = this.messages ?? [];
    const after = before.map((message) => applied(message, change)).filter(({ pinned }) => pinned);
    const { kind, target, body } = change;
    if (kind === "pin" && body?.on === true && target !== undefined)
      this.messages = this.pinned(after, target);
    else this.messages = after;
    this.changed();
  }

  /** What is pinned again keeps its place, as the service has it. */
  private pinned(messages: readonly Message[], seq: number): readonly Message[] {
    if (messages.some((message) => message.seq === seq)) return messages;
    const message = this.means.message(this.room ?? "", seq);
    if (message !== undefined) return [{ ...message, pinned: true }, ...messages];
    void this.load();
    return messages;
  }
}
