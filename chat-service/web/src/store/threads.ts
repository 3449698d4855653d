/** Threads: those that were opened, following their rooms. */
import type { Entry } from "../protocol/wire";
import type { Clock } from "./clock";
import type { Rest } from "../protocol/rest";
import { placeOf } from "./place";
import type { RoomLog } from "./room_log";
import { Thread } from "./thread";

export interface ThreadsMeans {
  rest: Pick<Rest, "thread">;
  clock: Clock;
  log: (room: string) => RoomLog;
  /** The room's log turned out to be another one. */
  contradicted: (room: string) => void;
}

/** How many are kept up to date; one that is opened again is read again. */
const MOST = 20;

export class Threads {
  /** In the order of use. */
  private readonly threads = new Map<string, Thread>();

  constructor(private readonly means: ThreadsMeans) {}

  /** The thread that hangs on a message. */
  get(room: string, seq: number): Thread {
    const place = placeOf(room, seq);
    const thread = this.threads.get(place) ?? this.made(room, seq);
    this.threads.delete(place);
    this.threads.set(place, thread);
    for (const oldest of this.threads.keys()) {
      if (this.threads.size <= MOST) break;
      this.threads.delete(oldest);
    }
    return thread;
  }

  /** An entry of a room came, in its order. */
  take(change: Entry): void {
    for (const thread of this.threads.values()) if (thread.room === change.room) thread.take(change);
  }

  /** A room's log began anew. */
  began(room: string): void {
    for (const thread of this.threads.values()) if (thread.room === room) thread.forget();
  }

  private made(room: string, seq: number): Thread {
    const { rest, clock, log, contradicted } = this.means;
    return new Thread(room, seq, {
      page: (before) => rest.thread(room, seq, before),
      cursor: () => log(room).cursor,
      came: (page) => {
        if (log(room).contradicts(page.as_of, page.as_of_id)) contradicted(room);
      },
      later: (ms, act) => void clock.later(ms, act),
    });
  }
}
