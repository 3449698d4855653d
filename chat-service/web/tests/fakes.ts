/** Stand-ins for what a page has around the store: time, storage, tabs, the socket. */
import type { Clock } from "../src/store/clock";
import type { Item, OutboxNews, OutboxStorage, Tabs } from "../src/store/outbox";
import type { Socket, SocketHandlers } from "../src/protocol/socket";

/** Time that passes when a test says so. */
export class FakeClock implements Clock {
  private time = 1_000_000;
  private timers: { at: number; act: () => void }[] = [];

  now(): number {
    return this.time;
  }

  later(ms: number, act: () => void): () => void {
    const timer = { at: this.time + ms, act };
    this.timers.push(timer);
    return () => (this.timers = this.timers.filter((one) => one !== timer));
  }

  random(): number {
    return 0.5;
  }

  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await settled();
      const due = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((one) => one !== due);
      this.time = Math.max(this.time, due.at);
      due.act();
    }
    this.time = end;
  }
}

/** All that waits for nothing but its turn is done. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

/** What survives a reload. */
export class FakeStorage implements OutboxStorage {
  readonly items = new Map<string, Item>();

  async load(user: string): Promise<Item[]> {
    return [...this.items.values()].filter((item) => item.user === user);
  }

  async put(item: Item): Promise<void> {
    this.items.set(item.key, item);
  }

  async remove(key: string): Promise<void> {
    this.items.delete(key);
  }
}

/** Tabs that hear each other. */
export class FakeBrowser {
  private readonly ears = new Map<object, (news: OutboxNews) => void>();

  tab(): Tabs {
    const self = {};
    return {
      tell: (news) => {
        for (const [tab, hear] of this.ears) if (tab !== self) hear(news);
      },
      listen: (hear) => {
        this.ears.set(self, hear);
        return () => this.ears.delete(self);
      },
    };
  }
}

export class FakeSocket implements Socket {
  opened: { token: string; handlers: SocketHandlers }[] = [];
  closed = 0;
  calls: [string, object][] = [];
  answer: (event: string, payload: object) => unknown = () => ({ ok: true });

  open(token: string, handlers: SocketHandlers): void {
    this.opened.push({ token, handlers });
  }

  close(): void {
    this.closed += 1;
  }

  async call<T>(event: string, payload: object): Promise<T> {
    this.calls.push([event, payload]);
    return this.answer(event, payload) as T;
  }

  get handlers(): SocketHandlers {
    const last = this.opened.at(-1);
    if (last === undefined) throw new Error("no connection was tried");
    return last.handlers;
  }
}

/** The same numbers for the same seed: a failure can be looked at again. */
export function dice(seed: number): (sides: number) => number {
  let state = seed * 2654435761 + 1;
  return (sides) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}
