/** Replies: what is known of the messages in a room's threads, so that a deletion can be counted where they hang. */
import type { Entry } from "../protocol/wire";
import { deletes, type Change, type Message } from "./folding";

interface Known {
  readonly seq: number;
  readonly root: number;
  readonly sender: string;
  /** Deleted: by an entry that came here, or somewhere up to the seq that a page was as of. */
  gone: boolean | { upto: number };
}

export class Replies {
  private readonly known = new Map<number, Known>();

  /** A page of a thread came: these are the replies on it. */
  learn(messages: readonly Message[]): void {
    for (const { seq, thread, sender, redacted, as_of } of messages) {
      if (thread === null || this.known.has(seq)) continue;
      this.known.set(seq, { seq, root: thread, sender, gone: redacted ? { upto: as_of } : false });
    }
  }

  /** An entry of the room came: the same with the roots of what it deletes. */
  taken(entry: Entry): Change {
    const { kind, seq, target, sender, redacted } = entry;
    if (kind === "message" && target !== undefined) {
      if (!this.known.has(seq)) this.known.set(seq, { seq, root: target, sender, gone: redacted ?? false });
      return entry;
    }
    const bereft = this.deleted(entry).map(({ root }) => root);
    return bereft.length === 0 ? entry : { ...entry, bereft };
  }

  clear(): void {
    this.known.clear();
  }

  private deleted(entry: Entry): Known[] {
    if (!["delete", "retain", "erase"].includes(entry.kind)) return [];
    const one = entry.target === undefined ? undefined : this.known.get(entry.target);
    const some = entry.kind === "delete" ? (one === undefined ? [] : [one]) : [...this.known.values()];
    const gone = some.filter((reply) => deletes(entry, reply) && !isGone(reply, entry.seq));
    for (const reply of gone) reply.gone = true;
    return gone;
  }
}

function isGone({ gone }: Known, seq: number): boolean {
  return typeof gone === "boolean" ? gone : seq > gone.upto;
}
