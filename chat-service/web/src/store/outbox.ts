/** Outbox: writes into rooms, kept until the service has them, sent in order, room by room. */
import { Problem, type ProblemShape } from "../protocol/problem";
import type { FileView, Receipt } from "../protocol/wire";
import type { Clock } from "./clock";
import { newKey } from "./keys";
import { Observable } from "./observable";
import { pause } from "./retrying";

/** `thread` is the root of the thread that it was written in; files are those of a finished upload. */
export type Write = { thread?: number } & (
  | { kind: "send"; text: string; reply_to?: number; files?: FileView[] }
  | { kind: "edit"; target: number; text: string }
  | { kind: "delete"; target: number }
  | { kind: "react"; target: number; emoji: string; on: boolean }
  | { kind: "pin"; target: number; on: boolean }
);

/** A write that waits, is on its way, is stored but not seen in the log yet, or was refused. */
export interface Item {
  readonly key: string;
  readonly user: string;
  readonly room: string;
  readonly write: Write;
  /** When it was written, and its place among those of the same millisecond. */
  readonly at: number;
  readonly nth: number;
  readonly state: "waiting" | "sending" | "stored" | "failed";
  readonly problem?: ProblemShape;
  /** Where the service stored it. */
  readonly seq?: number;
}

/** Where items survive a reload. */
export interface OutboxStorage {
  load(user: string): Promise<Item[]>;
  put(item: Item): Promise<void>;
  remove(key: string): Promise<void>;
}

export type OutboxNews = { item: Item } | { gone: string };

/** The other tabs. */
export interface Tabs {
  tell(news: OutboxNews): void;
  listen(hear: (news: OutboxNews) => void): () => void;
}

export interface OutboxMeans {
  user: string;
  storage: OutboxStorage;
  tabs: Tabs;
  clock: Clock;
  /** Bring one write to the service. Throws Problem. */
  deliver: (item: Item) => Promise<Receipt>;
  /** Whether what is stored at a seq need not be shown from here: the room's log has it, or is not followed. */
  isSeen?: (room: string, seq: number) => boolean;
  /** Told how each delivery went; null is well. */
  outcome?: (problem: Problem | null) => void;
}

const LONGEST_WAIT_MS = 30_000;
const FAULTS_BORNE = 5;

export class Outbox extends Observable {
  private readonly items = new Map<string, Item>();
  /** Rooms in which a delivery is under way or waited for: one at a time keeps the order. */
  private readonly busy = new Set<string>();
  private readonly attempts = new Map<string, number>();
  private readonly waits = new Map<string, () => void>();
  private count = 0;
  private leading = false;
  private online = false;
  private ended = false;
  private readonly deaf: () => void;

  constructor(private readonly means: OutboxMeans) {
    super();
    this.deaf = means.tabs.listen((news) => this.hear(news));
  }

  /** Take up what an earlier page left; what was on its way then is sent again, with its key. */
  async restore(): Promise<void> {
    for (const item of await this.means.storage.load(this.means.user)) {
      if (this.items.has(item.key)) continue;
      this.items.set(item.key, item.state === "failed" ? item : { ...item, state: "waiting" });
    }
    this.changed();
    this.pumpAll();
  }

  /** Queue a write. It is shown at once, and sent when its turn comes. */
  add(room: string, write: Write): Item {
    this.count += 1;
    const { user, clock } = this.means;
    const item: Item = {
      key: newKey(),
      user,
      room,
      write,
      at: clock.now(),
      nth: this.count,
      state: "waiting",
    };
    this.keep(item);
    this.pump(room);
    return item;
  }

  /** Send a refused write again. */
  retry(key: string): void {
    const item = this.items.get(key);
    if (item?.state !== "failed") return;
    const { problem: _, ...rest } = item;
    this.attempts.delete(key);
    this.keep({ ...rest, state: "waiting" });
    this.pump(item.room);
  }

  /** Give a refused write up. */
  discard(key: string): void {
    if (this.items.get(key)?.state === "failed") this.drop(key);
  }

  /** What is in the outbox for a room, in the order written. */
  of(room: string): Item[] {
    return [...this.items.values()].filter((item) => item.room === room).sort(byTime);
  }

  /** How many writes the service does not have yet. */
  get waiting(): number {
    return [...this.items.values()].filter((item) => item.state !== "stored" && item.state !== "failed")
      .length;
  }

  /** This tab is the one that sends, or is not. */
  lead(leading: boolean): void {
    this.leading = leading;
    this.pumpAll();
  }

  /** The connection stands, or does not. */
  setOnline(online: boolean): void {
    this.online = online;
    if (online) this.hurry();
  }

  /** The room's log was seen with an entry of ours, or up to a seq: what is stored need not be shown twice. */
  seen(room: string, seq: number, key?: string): void {
    for (const item of this.of(room)) {
      const there = item.key === key || (item.state === "stored" && (item.seq ?? 0) <= seq);
      if (there) this.drop(item.key);
    }
  }

  /** End: nothing is sent any more. With `forget` what waits is thrown away, as at signing out. */
  async end(forget: boolean): Promise<void> {
    this.ended = true;
    this.deaf();
    for (const callOff of this.waits.values()) callOff();
    if (!forget) return;
    for (const item of await this.means.storage.load(this.means.user))
      await this.means.storage.remove(item.key);
  }

  private hear(news: OutboxNews): void {
    if ("gone" in news) {
      this.items.delete(news.gone);
      this.changed();
    } else if (news.item.user === this.means.user) {
      this.show(news.item);
      this.pump(news.item.room);
    }
  }

  private show(item: Item): void {
    if (item.state === "stored" && this.means.isSeen?.(item.room, item.seq ?? 0)) this.items.delete(item.key);
    else this.items.set(item.key, item);
    this.changed();
  }

  private hurry(): void {
    for (const [room, callOff] of this.waits) {
      callOff();
      this.busy.delete(room);
    }
    this.waits.clear();
    this.pumpAll();
  }

  private pumpAll(): void {
    for (const room of new Set([...this.items.values()].map((item) => item.room))) this.pump(room);
  }

  private pump(room: string): void {
    if (this.ended || !this.leading || !this.online || this.busy.has(room)) return;
    const next = this.of(room).find((item) => item.state === "waiting" || item.state === "sending");
    if (next === undefined) return;
    this.busy.add(room);
    void this.deliver(next);
  }

  private async deliver(item: Item): Promise<void> {
    this.keep({ ...item, state: "sending" });
    try {
      const { seq } = await this.means.deliver(item);
      this.attempts.delete(item.key);
      this.means.outcome?.(null);
      this.stored(item, seq);
    } catch (thrown) {
      const problem = Problem.of(thrown);
      this.means.outcome?.(problem);
      if (problem.retryable && !this.isHopeless(item, problem)) {
        this.later(item, problem);
        return;
      }
      this.attempts.delete(item.key);
      if (this.items.has(item.key)) this.keep({ ...item, state: "failed", problem: problem.shape() });
    }
    this.busy.delete(item.room);
    this.pump(item.room);
  }

  private stored(item: Item, seq: number): void {
    // Gone where its entry came before its acknowledgement.
    if (!this.items.has(item.key)) return;
    const stored: Item = { ...item, state: "stored", seq };
    void this.means.storage.remove(item.key);
    this.means.tabs.tell({ item: stored });
    this.show(stored);
  }

  /** A fault that does not pass would keep everything behind it from being sent. */
  private isHopeless(item: Item, problem: Problem): boolean {
    return problem.code === "internal" && (this.attempts.get(item.key) ?? 0) >= FAULTS_BORNE;
  }

  private later(item: Item, problem: Problem): void {
    const tried = (this.attempts.get(item.key) ?? 0) + 1;
    this.attempts.set(item.key, tried);
    if (this.items.has(item.key)) this.keep({ ...item, state: "waiting" });
    const wait = pause(tried, LONGEST_WAIT_MS, this.means.clock, problem.retry_after_ms);
    const callOff = this.means.clock.later(wait, () => {
      this.waits.delete(item.room);
      this.busy.delete(item.room);
      this.pump(item.room);
    });
    this.waits.set(item.room, callOff);
  }

  private keep(item: Item): void {
    this.items.set(item.key, item);
    void this.means.storage.put(item);
    this.means.tabs.tell({ item });
    this.changed();
  }

  private drop(key: string): void {
    if (!this.items.delete(key)) return;
    this.attempts.delete(key);
    void this.means.storage.remove(key);
    this.means.tabs.tell({ gone: key });
    this.changed();
  }
}

function byTime(one: Item, other: Item): number {
  return one.at - other.at || one.nth - other.nth || (one.key < other.key ? -1 : 1);
}
