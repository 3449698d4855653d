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
    as_of,
  };
}

/** Whether an entry can change messages that came before it. */
export function concernsOthers(entry: Entry): boolean {
  return ["edit", "delete", "reaction", "retain", "erase"].includes(entry.kind);
}

/** The message after `entry`, the same object where that changes nothing. */
export function applied(message: Message, entry: Entry): Message {
  if (entry.seq <= message.as_of || message.redacted || !concerns(message, entry)) return message;
  const body = entry.body ?? {};
  switch (entry.kind) {
    case "edit":
      if (entry.redacted || entry.sender !== message.sender) return message;
      return { ...message, body: { ...message.body, ...body }, edited: entry.seq, as_of: entry.seq };
    case "reaction":
      return { ...message, reactions: reacted(message.reactions, entry.sender, body), as_of: entry.seq };
    default:
      return { ...message, body: {}, edited: null, redacted: true, reactions: {}, as_of: entry.seq };
  }
}

function concerns(message: Message, entry: Entry): boolean {
  const upto = entry.body?.upto ?? 0;
  switch (entry.kind) {
    case "edit":
    case "delete":
    case "reaction":
      return entry.target === message.seq;
    case "retain":
      return message.seq <= upto;
    case "erase":
      return message.seq <= upto && message.sender === entry.body?.user;
    default:
      return false;
  }
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
