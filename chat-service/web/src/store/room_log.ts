/** RoomLog: what this client holds of one room, and how it follows the room's log. */
import type { Entry, Held, HistoryPage, Opened, Role } from "../protocol/wire";
import { applied, concernsOthers, received, started, type Message } from "./folding";
import { Observable } from "./observable";

/** What became of an entry that came live. */
export type Reception = "applied" | "known" | "early" | "contradicts";

/** A page of history that was asked for. */
export interface Ticket {
  readonly generation: number;
  /** The message before, after or around which it is. */
  readonly seq: number;
}

/** Entries that came before those they follow; beyond this the room is opened again anyway. */
const MOST_EARLY = 500;

export class RoomLog extends Observable {
  /** What is looked at, ascending by seq; the array is changed in place, its messages are replaced. */
  messages: Message[] = [];
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
  /** The newest messages, up to now, while `messages` are a stretch further back that does not reach them. */
  private aside: { messages: Message[]; more: boolean } | null = null;

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
    this.startOver();
    this.changed();
  }

  /** Whether this log's entry at `seq` is another one than `id`; what is not known is not. */
  contradicts(seq: number, id: string): boolean {
    return this.live && this.last?.seq === seq && this.last.id !== "" && this.last.id !== id;
  }

  /** Whether a stretch of the past is looked at, which does not reach the newest messages. */
  get past(): boolean {
    return this.aside !== null;
  }

  /** The newest messages that are held, whatever is looked at. */
  get newest(): readonly Message[] {
    return this.aside?.messages ?? this.messages;
  }

  /** The newest messages after a seq. */
  after(seq: number): readonly Message[] {
    return this.newest.slice(firstIn(this.newest, seq + 1));
  }

  /** Ask for the page before the first message held; null where there is none. */
  askOlder(): Ticket | null {
    const first = this.messages[0];
    return this.more && first !== undefined && !this.asking ? this.ask(first.seq) : null;
  }

  /** Ask for the page after the last message of a stretch; null where there is none. */
  askNewer(): Ticket | null {
    const last = this.messages.at(-1);
    return this.past && last !== undefined && !this.asking ? this.ask(last.seq) : null;
  }

  /** Ask for what stands around a message; what else was asked for is not waited for any more. */
  askAround(seq: number): Ticket {
    this.dropTickets();
    return this.ask(seq);
  }

  private ask(seq: number): Ticket {
    const ticket = { generation: this.generation, seq };
    this.tickets.add(ticket);
    return ticket;
  }

  /** Whether a page was asked for and has not come. */
  get asking(): boolean {
    return this.tickets.size > 0;
  }

  /** Take the page before that was asked for. */
  older(ticket: Ticket, page: HistoryPage): void {
    const messages = this.arrived(ticket, page);
    if (messages === null) return;
    this.messages.unshift(...messages.filter(({ seq }) => seq < ticket.seq));
    this.more = page.more;
    this.changed();
  }

  /** Take the page after a stretch; where it reaches the newest messages these follow. */
  newer(ticket: Ticket, page: HistoryPage): void {
    const messages = this.arrived(ticket, page);
    if (messages === null) return;
    this.messages.push(...messages.filter(({ seq }) => seq > ticket.seq));
    this.join(page);
    this.changed();
  }

  /** Look at the page around a message, beside the newest messages where it does not reach them. */
  around(ticket: Ticket, page: HistoryPage): void {
    const messages = this.arrived(ticket, page);
    if (messages === null) return;
    const { newest } = this;
    const begin = newest[0]?.seq ?? 0;
    if (!this.past && reaches(page, begin)) {
      // It continues what is held: nothing that is in view moves.
      const older = messages.filter(({ seq }) => seq < begin);
      this.messages.unshift(...older);
      if (older.length > 0) this.more = page.more;
    } else {
      this.aside ??= { messages: this.messages, more: this.more };
      this.messages = messages;
      this.more = page.more;
      this.generation += 1;
      this.join(page);
    }
    this.changed();
  }

  /** Look at the newest messages again. */
  toNewest(): void {
    if (this.aside === null) return;
    ({ messages: this.messages, more: this.more } = this.aside);
    this.aside = null;
    this.generation += 1;
    this.dropTickets();
    this.changed();
  }

  private join(page: HistoryPage): void {
    const { aside } = this;
    const begin = aside?.messages[0]?.seq ?? 0;
    if (aside === null || !reaches(page, begin)) return;
    const last = this.messages.at(-1)?.seq ?? 0;
    this.messages.push(...aside.messages.filter(({ seq }) => seq > last));
    this.aside = null;
  }

  /** The messages of a page that was asked for, with what came live after its `as_of` applied to them. */
  private arrived(ticket: Ticket, page: HistoryPage): Message[] | null {
    if (!this.tickets.delete(ticket)) return null;
    const since = this.sinceTickets;
    this.sinceTickets = [];
    return page.messages.map((message) => since.reduce(applied, received(message, page.as_of)));
  }

  /** The page did not come. */
  askedInVain(ticket: Ticket): void {
    this.tickets.delete(ticket);
    this.sinceTickets = [];
    this.changed();
  }

  /** Where the message with this seq is; -1 where it is not held. */
  indexOf(seq: number): number {
    return indexIn(this.messages, seq);
  }

  /** The message with this seq, where it is held. */
  get(seq: number): Message | undefined {
    return this.messages[this.indexOf(seq)] ?? this.newest[indexIn(this.newest, seq)];
  }

  /** The index of the first message with at least this seq. */
  firstFrom(seq: number): number {
    return firstIn(this.messages, seq);
  }

  private begin(reset: HistoryPage): void {
    this.startOver();
    for (const message of reset.messages) this.messages.push(received(message, reset.as_of));
    this.more = reset.more;
    this.last = { seq: reset.as_of, id: "" };
    this.began(this);
  }

  private startOver(): void {
    this.messages = [];
    this.aside = null;
    this.generation += 1;
    this.early.clear();
    this.dropTickets();
  }

  private dropTickets(): void {
    this.tickets.clear();
    this.sinceTickets = [];
  }

  private take(entry: Entry): void {
    this.last = { seq: entry.seq, id: entry.id };
    if (entry.kind === "message" && entry.target === undefined)
      (this.aside?.messages ?? this.messages).push(started(entry));
    else if (concernsOthers(entry)) this.change(entry);
    this.follow(entry);
  }

  private change(change: Entry): void {
    if (this.tickets.size > 0) this.sinceTickets.push(change);
    const lists = this.aside === null ? [this.messages] : [this.messages, this.aside.messages];
    for (const messages of lists) changeIn(messages, change);
  }

  private takeEarly(): void {
    for (const seq of [...this.early.keys()]) if (seq <= this.cursor) this.early.delete(seq);
    for (let next = this.early.get(this.cursor + 1); next; next = this.early.get(this.cursor + 1)) {
      this.early.delete(next.seq);
      this.take(next);
    }
  }
}

/** Whether a page goes on without a gap in messages that begin with a seq. */
function reaches(page: HistoryPage, begin: number): boolean {
  const last = page.messages.at(-1)?.seq ?? 0;
  return last >= begin || (!(page.newer ?? false) && page.as_of + 1 >= begin);
}

function changeIn(messages: Message[], change: Entry): void {
  const at = (index: number) => {
    const message = messages[index];
    if (message !== undefined) messages[index] = applied(message, change);
  };
  if (change.target === undefined) {
    for (let index = 0; index < messages.length; index += 1) at(index);
    return;
  }
  at(indexIn(messages, change.target));
  if (change.body?.thread !== undefined) at(indexIn(messages, change.body.thread));
}

function indexIn(messages: readonly Message[], seq: number): number {
  const at = firstIn(messages, seq);
  return messages[at]?.seq === seq ? at : -1;
}

/** The index of the first message with at least this seq. */
function firstIn(messages: readonly Message[], seq: number): number {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((messages[middle]?.seq ?? Infinity) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}
