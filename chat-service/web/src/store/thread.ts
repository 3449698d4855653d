/** Thread: the message that others hang on, and those others, as far as they were asked for. */
import { Problem } from "../protocol/problem";
import type { Entry, ThreadPage } from "../protocol/wire";
import { applied, received, started, type Message } from "./folding";
import { Observable } from "./observable";

export interface ThreadMeans {
  /** The newest page, or the one before a seq. Throws Problem. */
  page: (before: number | null) => Promise<ThreadPage>;
  /** The seq of the last entry that was taken of the room. */
  cursor: () => number;
  /** Told of every page. */
  came: (page: ThreadPage) => void;
  /** Do it in so many milliseconds. */
  later: (ms: number, act: () => void) => void;
}

/** How often a page that is older than what came live is asked for again, and how soon. */
const TRIES = 4;
const AGAIN_MS = 500;

export class Thread extends Observable {
  root: Message | null = null;
  /** Ascending by seq. */
  replies: readonly Message[] = [];
  /** Whether there are older replies than the first. */
  more = false;
  /** Why it could not be read. */
  problem: Problem | null = null;
  private asOf: number | null = null;
  /** A page that was asked for, and what came live since. */
  private asked: { since: Entry[] } | null = null;
  private pausing = false;

  constructor(
    readonly room: string,
    readonly seq: number,
    private readonly means: ThreadMeans,
  ) {
    super();
  }

  get loading(): boolean {
    return this.asked !== null || this.pausing;
  }

  /** Whether it is read and followed. */
  get held(): boolean {
    return this.asOf !== null;
  }

  /** Read it, unless it is held already. */
  async load(tries = TRIES): Promise<void> {
    if (this.held || this.loading) return;
    const cursor = this.means.cursor();
    const came = await this.ask(null);
    if (came === null) return;
    const { page, since } = came;
    if (page.as_of < cursor && tries > 0) {
      // It was read where the room's newest entries had not come: they would be missing for good.
      this.pausing = true;
      this.means.later(AGAIN_MS, () => {
        this.pausing = false;
        void this.load(tries - 1);
      });
      return;
    }
    this.asOf = page.as_of;
    this.more = page.more;
    this.root = received(page.root, page.as_of);
    this.replies = page.messages.map((message) => received(message, page.as_of));
    for (const change of since) this.apply(change);
    this.changed();
  }

  /** Read the replies before those held. */
  async loadOlder(): Promise<void> {
    const first = this.replies[0];
    if (!this.held || !this.more || first === undefined || this.loading) return;
    const came = await this.ask(first.seq);
    if (came === null) return;
    const { page, since } = came;
    const older = page.messages.map((message) => since.reduce(applied, received(message, page.as_of)));
    this.replies = [...older.filter(({ seq }) => seq < first.seq), ...this.replies];
    this.more = page.more;
    this.changed();
  }

  /** An entry of the room came, in its order. */
  take(change: Entry): void {
    this.asked?.since.push(change);
    if (this.held) this.apply(change);
  }

  /** The room's log began anew: what is held says nothing of it. */
  forget(): void {
    this.asOf = null;
    this.asked = null;
    this.root = null;
    this.replies = [];
    this.more = false;
    this.changed();
  }

  private async ask(before: number | null): Promise<{ page: ThreadPage; since: Entry[] } | null> {
    const asked = { since: [] };
    this.asked = asked;
    this.problem = null;
    this.changed();
    try {
      const page = await this.means.page(before);
      if (this.asked !== asked) return null;
      this.means.came(page);
      return { page, since: asked.since };
    } catch (thrown) {
      if (this.asked === asked) this.problem = Problem.of(thrown);
      return null;
    } finally {
      if (this.asked === asked) this.asked = null;
      this.changed();
    }
  }

  private apply(change: Entry): void {
    const isReply = change.kind === "message" && change.target === this.seq;
    if (isReply && change.seq > (this.asOf ?? 0)) this.replies = [...this.replies, started(change)];
    else this.replies = mapped(this.replies, (message) => applied(message, change));
    if (this.root !== null) this.root = applied(this.root, change);
    this.changed();
  }
}

/** The same array where nothing in it changes. */
function mapped(messages: readonly Message[], how: (message: Message) => Message): readonly Message[] {
  const after = messages.map(how);
  return after.some((message, at) => message !== messages[at]) ? after : messages;
}
