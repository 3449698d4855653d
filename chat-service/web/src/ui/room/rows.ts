/** Rows: what stands above a message in the timeline, and whether it continues the one before. */
import { isShown, shownSize } from "../files/describing";
import type { Message } from "../../store/folding";
import type { RoomLog } from "../../store/room_log";
import type { Item } from "../../store/outbox";
import { reacted } from "../../store/folding";

export interface Row {
  message: Message;
  /** The day that begins with this message. */
  day: boolean;
  /** The first message that was not read when the room was opened. */
  unread: boolean;
  /** Whether name and picture are shown: false where it continues the message before. */
  head: boolean;
}

const GROUP_MS = 5 * 60_000;

/** A message with what stands above it; `firstUnread` is the seq that `firstUnreadOf` found. */
export function row(messages: readonly Message[], at: number, firstUnread: number | null): Row | null {
  const message = messages[at];
  if (message === undefined) return null;
  const before = messages[at - 1];
  const day = before === undefined || !sameDay(before.ts, message.ts);
  const unread = message.seq === firstUnread;
  const head =
    day ||
    unread ||
    before === undefined ||
    before.sender !== message.sender ||
    before.body.name !== message.body.name ||
    message.body.reply_to !== undefined ||
    message.ts - before.ts > GROUP_MS;
  return { message, day, unread, head };
}

/** The first message by somebody else after what was read; null where it is not among these. */
export function firstUnreadOf(log: RoomLog, readSeq: number | null, me: string): number | null {
  if (readSeq === null) return null;
  const from = log.firstFrom(readSeq + 1);
  // Where nothing that was read stands before it, it may be further up.
  if (from === 0 && log.more) return null;
  for (let at = from; at < log.messages.length; at += 1) {
    const message = log.messages[at];
    if (message !== undefined && message.sender !== me) return message.seq;
  }
  return null;
}

export function sameDay(one: number, other: number): boolean {
  return new Date(one).toDateString() === new Date(other).toDateString();
}

/** A guess of a row's height before it is measured. */
export function guessedHeight(message: Message): number {
  const text = message.body.text ?? "";
  const lines = Math.ceil(text.length / 90) + (text.match(/\n/g)?.length ?? 0);
  const files = message.body.files ?? [];
  const shown = files.filter(isShown);
  const images = shown.reduce((most, file) => Math.max(most, shownSize(file, shown.length === 1).height), 0);
  const below = images + 68 * (files.length - shown.length) + (message.replies > 0 ? 36 : 0);
  return 26 + 22 * Math.max(files.length > 0 ? 0 : 1, lines) + below;
}

/** Whether name and picture will be shown on a message that is on its way: it must not move when it arrives. */
export function pendingHead(
  last: Message | undefined,
  before: Item | undefined,
  item: Item,
  me: string,
): boolean {
  if (item.write.kind !== "send" || item.state === "failed" || item.write.reply_to !== undefined) return true;
  if (before !== undefined) return before.write.kind !== "send" || before.state === "failed";
  return last?.sender !== me || !sameDay(last.ts, item.at) || item.at - last.ts > GROUP_MS;
}

/** The message as it will be once what is on its way has arrived. */
export function expected(message: Message, items: readonly Item[], me: string): Message {
  return items.reduce((so, { write, state }) => {
    if (write.kind === "send" || write.target !== message.seq || state === "failed" || so.redacted) return so;
    if (write.kind === "edit")
      return { ...so, body: { ...so.body, text: write.text }, edited: so.edited ?? so.seq };
    if (write.kind === "delete") return { ...so, body: {}, redacted: true, reactions: {}, pinned: false };
    if (write.kind === "pin") return { ...so, pinned: write.on };
    return { ...so, reactions: reacted(so.reactions, me, write) };
  }, message);
}
