/** Windowing: which of many messages are drawn, and where the view stays when anything above it changes. */
import type { RoomLog } from "../../store/room_log";
import { HeightIndex } from "./height_index";
import { guessedHeight } from "./rows";

/** What is drawn: messages from `first` up to `end`, and the space that stands for the others. */
export interface Drawn {
  first: number;
  end: number;
  above: number;
  below: number;
}

/** A message, and how far below its top the view begins. */
interface Anchor {
  seq: number;
  offset: number;
}

const OVERSCAN = 800;
/** This near to the end the view follows what comes. */
const NEAR_END = 32;

export class Windowing {
  /** Whether the view follows the end. */
  atEnd = true;
  private readonly heights = new HeightIndex();
  private anchor: Anchor | null = null;
  private known = { generation: -1, first: 0, count: 0 };
  private view = 600;

  constructor(private readonly log: RoomLog) {}

  /** Take what was appended, prepended or replaced in the log. */
  sync(): void {
    const { messages, generation } = this.log;
    const first = messages[0]?.seq ?? 0;
    const before = this.known.count === 0 ? 0 : this.log.firstFrom(this.known.first);
    const added = messages.length - this.known.count - before;
    if (generation !== this.known.generation || added < 0) {
      this.heights.reset(messages.map(guessedHeight));
      this.anchor = null;
      this.atEnd = !this.log.past;
    } else {
      if (before > 0) this.heights.prepend(messages.slice(0, before).map(guessedHeight));
      if (added > 0) this.heights.append(messages.slice(messages.length - added).map(guessedHeight));
    }
    this.known = { generation, first, count: messages.length };
  }

  /** The view moved: `top` is where it begins among the messages, `left` how much lies below it. */
  scrolled(top: number, left: number, view: number): void {
    this.view = view;
    this.atEnd = this.isEnd(left);
    const at = this.heights.indexAt(top);
    const message = this.log.messages[at];
    this.anchor =
      message === undefined ? null : { seq: message.seq, offset: top - this.heights.offsetOf(at) };
  }

  /** The view was put where it was wanted, or as near as it goes: `left` lies below it. */
  settled(left: number): void {
    this.atEnd ||= this.isEnd(left);
  }

  /** Beyond the end of a stretch of the past there is more: what comes there is not followed. */
  private isEnd(left: number): boolean {
    return left <= NEAR_END && !this.log.past;
  }

  resized(view: number): void {
    this.view = view;
  }

  /** A drawn message was measured; returns whether that is news. */
  measured(seq: number, height: number): boolean {
    return this.heights.set(this.log.indexOf(seq), height);
  }

  /** Bring a message into view, a third from the top. */
  aim(seq: number): void {
    this.atEnd = false;
    this.anchor = { seq, offset: -this.view / 3 };
  }

  /** Where the view begins among the messages. */
  get top(): number {
    if (this.atEnd || this.anchor === null) return Math.max(0, this.heights.total - this.view);
    return this.heights.offsetOf(this.log.firstFrom(this.anchor.seq)) + this.anchor.offset;
  }

  get drawn(): Drawn {
    const { count, total } = this.heights;
    if (count === 0) return { first: 0, end: 0, above: 0, below: 0 };
    const first = this.heights.indexAt(Math.max(0, this.top - OVERSCAN));
    const end = Math.min(count, this.heights.indexAt(this.top + this.view + OVERSCAN) + 1);
    return { first, end, above: this.heights.offsetOf(first), below: total - this.heights.offsetOf(end) };
  }
}
