/** RoomLog: what this client holds of one room, and how it follows the room's log. */
import type { Entry, Held, HistoryPage, Opened, Role } from "../protocol/wire";
import { applied, concernsOthers, received, started, type Message } from "./folding";
import { Observable } from "./observable";

/** What became of an entry that came live. */
export type Reception = "applied" | "known" | "early" | "contradicts";

/** A page of history that was asked for. */
export interface Ticket {
  readonly generation: number;
  readonly before: number;
}

/** Entries that came before those they follow; beyond this the room is opened again anyway. */
const MOST_EARLY = 500;

export class RoomLog extends Observable {
  /** Ascending by seq; the array is changed in place, its messages are replaced. */
  readonly messages: Message[] = [];
  /** Whether there are older messages than the first. */
  more = false;
  role: Role = "member";
  /** Whether everything that happens now arrives. */
  live = false;
  /** Counts beginnings anew: what was asked for before one belongs to another log. */
  generation = 0;
  private epoch: string | null = null;
  private last: { seq: number; id: string } | null = null;
  private readonly early = new Map<number, Entry>();
  private readonly tickets = new Set<Ticket>();
  private sinceTickets: Entry[] = [];

  /** `follow` is told of every entry, once, in order; `began` of every beginning anew. */
  constructor(
    readonly room: string,
    private readonly follow: (entry: Entry) => void = () => undefined,
    private readonly began: (log: RoomLog) => void = () => undefined,
  ) {
    super();
  }

  /** The seq of the last entry held, 0 for none. */
  get cursor(): number {
    return this.last?.seq ?? 0;
  }

  /** What to say when opening the room. */
  held(): Held {
    if (this.last === null || this.epoch === null) return {};
    return { after: this.last.seq, after_id: this.last.id, epoch: this.epoch };
  }

  /** Take an answer to room:open. With its `more` the room has to be opened again from `held()`. */
  opened(answer: Opened): void {
    const other = this.epoch !== null && answer.epoch !== this.epoch;
    if (answer.reset) this.begin(answer.reset);
    else if (other) {
      // A log that is not ours, without a beginning: hold nothing, so that the next opening gets one.
      this.forget();
      this.changed();
      return;
    }
    this.epoch = answer.epoch;
    this.role = answer.role;
    for (const entry of answer.entries) {
      if (entry.seq > this.cursor || this.last === null) this.take(entry);
    }
    this.last = { seq: answer.last_seq, id: answer.last_id };
    this.live = !answer.more;
    this.takeEarly();
    this.changed();
  }

  /** Take an entry that came live. After "early" or "contradicts" the room has to be opened again. */
  receive(entry: Entry): Reception {
    if (this.last === null) return "early";
    if (entry.seq <= this.last.seq) {
      return entry.seq === this.last.seq && entry.id !== this.last.id ? "contradicts" : "known";
    }
    if (entry.seq > this.last.seq + 1) {
      if (this.early.size < MOST_EARLY) this.early.set(entry.seq, entry);
      return "early";
    }
    this.take(entry);
    this.takeEarly();
    this.changed();
    return "applied";
  }

  /** Whether entries wait for others that did not come. */
  get hasGap(): boolean {
    return this.early.size > 0;
  }

  /** The connection is gone: what comes next comes by opening. */
  paused(): void {
    this.live = false;
    this.early.clear();
    this.changed();
  }

  /** Hold nothing any more: the log is another one, or may not be read. */
  forget(): void {
    this.epoch = null;
    this.last = null;
    this.live = false;
    this.more = false;
    this.messages.length = 0;
    this.startOver();
    this.changed();
  }

  /** Whether this log's entry at `seq` is another one than `id`; what is not known is not. */
  contradicts(seq: number, id: string): boolean {
    return this.live && this.last?.seq === seq && this.last.id !== "" && this.last.id !== id;
  }

  /** Ask for the page before the first message held; null where there is none. */
  askOlder(): Ticket | null {
    const first = this.messages[0];
    if (!this.more || first === undefined || this.tickets.size > 0) return null;
    const ticket = { generation: this.generation, before: first.seq };
    this.tickets.add(ticket);
    return ticket;
  }

  /** Whether a page was asked for and has not come. */
  get asking(): boolean {
    return this.tickets.size > 0;
  }

  /** Take the page that was asked for; what came live after its `as_of` is applied to it. */
  older(ticket: Ticket, page: HistoryPage): void {
    if (!this.tickets.delete(ticket)) return;
    const since = this.sinceTickets;
    this.sinceTickets = [];
    const messages = page.messages
      .filter((message) => message.seq < ticket.before)
      .map((message) => since.reduce(applied, received(message, page.as_of)));
    this.messages.unshift(...messages);
    this.more = page.more;
    this.changed();
  }

  /** The page did not come. */
  olderFailed(ticket: Ticket): void {
    this.tickets.delete(ticket);
    this.sinceTickets = [];
    this.changed();
  }

  /** Where the message with this seq is; -1 where it is not held. */
  indexOf(seq: number): number {
    const at = this.firstFrom(seq);
    return this.messages[at]?.seq === seq ? at : -1;
  }

  /** The message with this seq, where it is held. */
  get(seq: number): Message | undefined {
    return this.messages[this.indexOf(seq)];
  }

  /** The index of the first message with at least this seq. */
  firstFrom(seq: number): number {
    let low = 0;
    let high = this.messages.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.messages[middle]?.seq ?? Infinity) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private begin(reset: HistoryPage): void {
    this.messages.length = 0;
    for (const message of reset.messages) this.messages.push(received(message, reset.as_of));
    this.more = reset.more;
    this.last = { seq: reset.as_of, id: "" };
    this.startOver();
    this.began(this);
  }

  private startOver(): void {
    this.generation += 1;
    this.early.clear();
    this.tickets.clear();
    this.sinceTickets = [];
  }

  private take(entry: Entry): void {
    this.last = { seq: entry.seq, id: entry.id };
    if (entry.kind === "message" && entry.target === undefined) this.messages.push(started(entry));
    else if (concernsOthers(entry)) this.change(entry);
    this.follow(entry);
  }

  private change(change: Entry): void {
    if (this.tickets.size > 0) this.sinceTickets.push(change);
    if (change.target === undefined) {
      for (let at = 0; at < this.messages.length; at += 1) this.changeAt(at, change);
      return;
    }
    this.changeAt(this.indexOf(change.target), change);
    if (change.body?.thread !== undefined) this.changeAt(this.indexOf(change.body.thread), change);
  }

  private changeAt(at: number, change: Entry): void {
    const message = this.messages[at];
    if (message !== undefined) this.messages[at] = applied(message, change);
  }

  private takeEarly(): void {
    for (const seq of [...this.early.keys()]) if (seq <= this.cursor) this.early.delete(seq);
    for (let next = this.early.get(this.cursor + 1); next; next = this.early.get(this.cursor + 1)) {
      this.early.delete(next.seq);
      this.take(next);
    }
  }
}
