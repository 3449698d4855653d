/** Rows: what stands above a message in the timeline, and whether it continues the one before. */
import { isShown, shownSize } from "../files/describing";
import type { Message } from "../../store/folding";
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

export function row(
  messages: readonly Message[],
  at: number,
  readSeq: number | null,
  me: string,
): Row | null {
  const message = messages[at];
  if (message === undefined) return null;
  const before = messages[at - 1];
  const day = before === undefined || !sameDay(before.ts, message.ts);
  const unread = readSeq !== null && isFirstUnread(before, message, readSeq, me);
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

function isFirstUnread(before: Message | undefined, message: Message, readSeq: number, me: string): boolean {
  if (message.seq <= readSeq || message.sender === me) return false;
  return before === undefined || before.seq <= readSeq || before.sender === me;
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
