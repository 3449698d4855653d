/** Rooms: the person's room list, with what is unread in each. */
import type { Entry, Preferences, RoomSummary, RoomView } from "../protocol/wire";
import { Observable } from "./observable";

const NOTHING_SET = { unread: 0, mentions: 0, last_message_ts: null, muted: false, favourite: false };

export class Rooms extends Observable {
  private readonly rows = new Map<string, RoomSummary>();
  loaded = false;

  constructor(private readonly me: () => string) {
    super();
  }

  get(room: string): RoomSummary | undefined {
    return this.rows.get(room);
  }

  all(): RoomSummary[] {
    return [...this.rows.values()];
  }

  /** Take the list as the service has it now. Reading is never taken back: the newer marker stays. */
  replace(rows: RoomSummary[]): void {
    const before = new Map(this.rows);
    this.rows.clear();
    for (const row of rows) {
      const read_seq = Math.max(row.read_seq, before.get(row.room)?.read_seq ?? 0);
      const read = read_seq > row.read_seq ? { read_seq, unread: 0, mentions: 0 } : {};
      this.rows.set(row.room, { ...row, ...read });
    }
    this.loaded = true;
    this.changed();
  }

  /** The `rooms` event: this room as it is now, or gone. */
  told(room: string, member: boolean, view: RoomView | null): void {
    if (!member || view === null) this.rows.delete(room);
    else this.put(view);
    this.changed();
  }

  /** A room as REST answered it. */
  put(view: RoomView): void {
    const { room, kind, visibility, name, topic, role, last_seq, with_user } = view;
    const known = this.rows.get(room);
    // In a room that one has just come into, what was said before is not news.
    const own = known ?? { ...NOTHING_SET, read_seq: last_seq };
    this.rows.set(room, { ...own, room, kind, visibility, name, topic, role, last_seq, with_user });
    this.changed();
  }

  /** The `unread` event. */
  unread(room: string, last_seq: number, messages: number, mentions: number, now: number): void {
    this.change(room, (row) => ({
      last_seq: Math.max(row.last_seq, last_seq),
      unread: row.unread + messages,
      mentions: row.mentions + mentions,
      ...(messages > 0 ? { last_message_ts: Math.max(row.last_message_ts ?? 0, now) } : {}),
    }));
  }

  /** The `preferences` event, or what was set here. */
  prefer(room: string, { muted, favourite }: Partial<Preferences>): void {
    this.change(room, (row) => ({
      muted: muted ?? row.muted,
      favourite: favourite ?? row.favourite,
    }));
  }

  /** An entry of a room that is open. */
  follow(entry: Entry): void {
    const body = entry.body ?? {};
    this.change(entry.room, (row) => {
      switch (entry.kind) {
        case "message": {
          const mine = entry.sender === this.me();
          const mentioned = !mine && (body.mentions?.includes(this.me()) ?? false);
          const counts = !mine && entry.target === undefined;
          // What the list knows already is counted in it.
          const fresh = entry.seq > Math.max(row.read_seq, row.last_seq);
          return {
            last_seq: Math.max(row.last_seq, entry.seq),
            unread: row.unread + (counts && fresh ? 1 : 0),
            mentions: row.mentions + (mentioned && fresh ? 1 : 0),
            last_message_ts: Math.max(row.last_message_ts ?? 0, entry.ts),
          };
        }
        case "name":
          return { name: body.name ?? row.name };
        case "topic":
          return { topic: body.topic ?? row.topic };
        case "settings":
          return { visibility: body.visibility ?? row.visibility };
        case "role":
          return body.user === this.me() ? { role: body.role ?? row.role } : {};
        default:
          return {};
      }
    });
  }

  /** This person has read up to a seq. */
  read(room: string, seq: number): void {
    this.change(room, (row) => (seq > row.read_seq ? { read_seq: seq, unread: 0, mentions: 0 } : {}));
  }

  private change(room: string, how: (row: RoomSummary) => Partial<RoomSummary>): void {
    const row = this.rows.get(room);
    if (row === undefined) return;
    this.rows.set(room, { ...row, ...how(row) });
    this.changed();
  }
}

/** Whether there is something in the room to be told of: of a muted one only what is for oneself. */
export function isUnread(row: RoomSummary): boolean {
  return row.mentions > 0 || (row.unread > 0 && !row.muted);
}
