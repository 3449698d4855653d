/** Messages as people see them: folded from entries by the same rules as the service's. */
import type { Body, Entry, FoldedMessage } from "../protocol/wire";

/** A message after every entry up to `as_of` that concerns it. Replaced on change, never changed. */
export interface Message {
  readonly seq: number;
  readonly id: string;
  readonly sender: string;
  readonly ts: number;
  readonly key: string | null;
  readonly body: Body;
  readonly edited: number | null;
  readonly redacted: boolean;
  readonly reactions: Readonly<Record<string, readonly string[]>>;
  /** The message whose thread this one is in. */
  readonly thread: number | null;
  /** What is in its own thread, and when the last of that was written. */
  readonly replies: number;
  readonly last_reply_ts: number | null;
  readonly pinned: boolean;
  readonly as_of: number;
}

/** A message as it begins. */
export function started(entry: Entry): Message {
  const redacted = entry.redacted ?? false;
  return {
    seq: entry.seq,
    id: entry.id,
    sender: entry.sender,
    ts: entry.ts,
    key: entry.key ?? null,
    body: redacted ? {} : (entry.body ?? {}),
    edited: null,
    redacted,
    reactions: {},
    thread: entry.target ?? null,
    replies: 0,
    last_reply_ts: null,
    pinned: false,
    as_of: entry.seq,
  };
}

/** A message as the service folded it up to `as_of`. */
export function received(message: FoldedMessage, as_of: number): Message {
  return {
    seq: message.seq,
    id: message.id,
    sender: message.sender,
    ts: message.ts,
    key: message.key ?? null,
    body: message.body ?? {},
    edited: message.edited ?? null,
    redacted: message.redacted ?? false,
    reactions: message.reactions ?? {},
    thread: message.thread ?? null,
    replies: message.replies ?? 0,
    last_reply_ts: message.last_reply_ts ?? null,
    pinned: message.pinned ?? false,
    as_of,
  };
}

/** Whether an entry can change messages that came before it. */
export function concernsOthers(entry: Entry): boolean {
  if (entry.kind === "message") return entry.target !== undefined;
  return ["edit", "delete", "reaction", "pin", "retain", "erase"].includes(entry.kind);
}

/** The message after `change`, the same object where that changes nothing. */
export function applied(message: Message, change: Entry): Message {
  if (change.seq <= message.as_of) return message;
  return counted(changed(message, change), change);
}

function changed(message: Message, entry: Entry): Message {
  if (message.redacted || !concerns(message, entry)) return message;
  const body = entry.body ?? {};
  const as_of = entry.seq;
  switch (entry.kind) {
    case "edit":
      if (entry.redacted || entry.sender !== message.sender) return message;
      return { ...message, body: { ...message.body, ...body }, edited: entry.seq, as_of };
    case "reaction":
      return { ...message, reactions: reacted(message.reactions, entry.sender, body), as_of };
    case "pin":
      return { ...message, pinned: body.on ?? false, as_of };
    default:
      return { ...message, body: {}, edited: null, redacted: true, reactions: {}, pinned: false, as_of };
  }
}

/** The message's own thread goes on also where the message itself was deleted. */
function counted(message: Message, { kind, target, seq, ts, body }: Entry): Message {
  if (kind === "message" && target === message.seq)
    return { ...message, replies: message.replies + 1, last_reply_ts: ts, as_of: seq };
  if (kind !== "delete" || body?.thread !== message.seq) return message;
  const replies = Math.max(0, message.replies - 1);
  return { ...message, replies, last_reply_ts: replies === 0 ? null : message.last_reply_ts, as_of: seq };
}

function concerns(message: Message, entry: Entry): boolean {
  if (["edit", "reaction", "pin"].includes(entry.kind)) return entry.target === message.seq;
  return deletes(entry, message);
}

/** Whether an entry deletes a message. */
export function deletes(entry: Entry, message: Pick<Message, "seq" | "sender">): boolean {
  if (entry.kind === "delete") return entry.target === message.seq;
  const upto = entry.body?.upto ?? 0;
  if (entry.kind === "retain") return message.seq <= upto;
  return entry.kind === "erase" && message.seq <= upto && message.sender === entry.body?.user;
}

type Reactions = Message["reactions"];

/** Who reacted with what, after one more; an emoji that nobody holds any more goes. */
export function reacted(reactions: Reactions, user: string, { emoji, on }: Body): Reactions {
  if (emoji === undefined) return reactions;
  const others = (reactions[emoji] ?? []).filter((one) => one !== user);
  const before = reactions[emoji]?.includes(user) ?? false;
  if (on === before) return reactions;
  const people = on ? [...others, user] : others;
  const { [emoji]: _, ...rest } = reactions;
  return people.length === 0 ? rest : { ...reactions, [emoji]: people };
}
