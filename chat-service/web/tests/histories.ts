/** Histories: random logs of a room that the service could have made, and their plain fold. */
import type { Entry, EntryKind, FoldedMessage } from "../src/protocol/wire";
import { dice } from "./fakes";

const PEOPLE = ["ua", "ub", "uc"];
const EMOJI = ["👍", "🎉"];

export const ROOM = "caaaaaaaaaaaaaaaaaaaaa";

/** A log of `length` entries. */
export function history(seed: number, length: number): Entry[] {
  const roll = dice(seed);
  const pick = <T>(of: readonly T[]): T => of[roll(of.length)] as T;
  const log: Entry[] = [];
  for (let seq = 1; seq <= length; seq += 1) {
    const base = { room: ROOM, seq, id: `id${seed}.${seq}`, sender: pick(PEOPLE), ts: 1000 + seq };
    const target = pick(log.filter((entry) => entry.kind === "message"))?.seq;
    const root = pick(log.filter((entry) => entry.kind === "message" && entry.target === undefined))?.seq;
    const dieRoll = roll(24);
    if (target === undefined || dieRoll < 9) {
      log.push({ ...base, kind: "message", key: `k${seq}`, body: { text: `text ${seq}` } });
    } else if (dieRoll > 21 && root !== undefined) {
      log.push({ ...base, kind: "message", key: `k${seq}`, target: root, body: { text: `reply ${seq}` } });
    } else if (dieRoll > 19) {
      log.push({ ...base, kind: "pin", target, body: { on: roll(2) > 0 } });
    } else if (dieRoll < 12) {
      const sender = log[target - 1]?.sender ?? base.sender;
      log.push({ ...base, kind: "edit", sender, target, body: { text: `edited ${seq}` } });
    } else if (dieRoll < 17) {
      log.push({ ...base, kind: "reaction", target, body: { emoji: pick(EMOJI), on: roll(3) > 0 } });
    } else if (dieRoll === 17) {
      const first = !log.some((entry) => entry.kind === "delete" && entry.target === target);
      const thread = log[target - 1]?.target;
      log.push({ ...base, kind: "delete", target, body: first && thread !== undefined ? { thread } : {} });
    } else if (dieRoll === 18) {
      const kind: EntryKind = roll(2) ? "join" : "topic";
      log.push({ ...base, kind, body: { user: base.sender, topic: `topic ${seq}` } });
    } else if (roll(4) === 0) {
      log.push({ ...base, kind: "erase", body: { user: pick(PEOPLE), upto: roll(seq) } });
    } else {
      log.push({ ...base, kind: "retain", body: { upto: roll(Math.ceil(seq / 4)) } });
    }
  }
  return log;
}

/** What the service's own fold says of a log: straight from its rules, without a client's shortcuts. */
export function folded(log: Entry[], before = Infinity, limit = Infinity): FoldedMessage[] {
  const messages = log.filter(
    (entry) => entry.kind === "message" && entry.target === undefined && entry.seq < before,
  );
  return messages.slice(-limit).map((entry) => fold(entry, log));
}

function isGone({ seq, sender }: Entry, log: Entry[]): boolean {
  return log.some(
    (one) =>
      (one.kind === "delete" && one.target === seq) ||
      (one.kind === "retain" && seq <= (one.body?.upto ?? 0)) ||
      (one.kind === "erase" && one.body?.user === sender && seq <= (one.body?.upto ?? 0)),
  );
}

function threadOf({ seq, target }: Entry, log: Entry[]): Partial<FoldedMessage> {
  const inThread = log.filter((one) => one.kind === "message" && one.target === seq);
  const deleted = new Set(log.filter((one) => one.kind === "delete").map((one) => one.target));
  const left = inThread.filter((one) => !deleted.has(one.seq)).length;
  const last = left === 0 ? undefined : inThread.at(-1)?.ts;
  return {
    ...(target === undefined ? {} : { thread: target }),
    ...(last === undefined ? {} : { last_reply_ts: last }),
    replies: left,
  };
}

function fold(entry: Entry, log: Entry[]): FoldedMessage {
  const { seq, id, sender, ts, key } = entry;
  const base = { seq, id, sender, ts, key: key ?? null, ...threadOf(entry, log) };
  if (isGone(entry, log)) return { ...base, redacted: true };
  const edits = log.filter((one) => one.kind === "edit" && one.target === seq);
  const body = edits.reduce((text, edit) => ({ ...text, ...edit.body }), entry.body ?? {});
  const reactions: Record<string, string[]> = {};
  for (const one of log.filter((other) => other.kind === "reaction" && other.target === seq)) {
    const emoji = one.body?.emoji ?? "";
    const people = reactions[emoji] ?? [];
    const rest = people.filter((user) => user !== one.sender);
    if (one.body?.on) reactions[emoji] = people.includes(one.sender) ? people : [...people, one.sender];
    else if (rest.length > 0) reactions[emoji] = rest;
    else Reflect.deleteProperty(reactions, emoji);
  }
  const pinned = log.findLast((one) => one.kind === "pin" && one.target === seq)?.body?.on ?? false;
  const edited = edits.at(-1)?.seq;
  return { ...base, body, reactions, pinned, ...(edited === undefined ? {} : { edited }) };
}
