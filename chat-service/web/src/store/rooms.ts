/** Rooms: the person's room list, with what is unread in each. */
import type { Entry, RoomSummary, RoomView } from "../protocol/wire";
import { Observable } from "./observable";

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
      this.rows.set(row.room, { ...row, read_seq, mentions: read_seq > row.read_seq ? 0 : row.mentions });
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
    const read_seq = known?.read_seq ?? last_seq;
    const mentions = known?.mentions ?? 0;
    this.rows.set(room, {
      room,
      kind,
      visibility,
      name,
      topic,
      role,
      last_seq,
      with_user,
      read_seq,
      mentions,
    });
    this.changed();
  }

  /** The `unread` event. */
  unread(room: string, last_seq: number, mentions: number): void {
    this.change(room, (row) => ({
      last_seq: Math.max(row.last_seq, last_seq),
      mentions: row.mentions + mentions,
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
          // What the list knows already is counted in it.
          const fresh = entry.seq > Math.max(row.read_seq, row.last_seq);
          return {
            last_seq: Math.max(row.last_seq, entry.seq),
            mentions: row.mentions + (mentioned && fresh ? 1 : 0),
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
    this.change(room, (row) => (seq > row.read_seq ? { read_seq: seq, mentions: 0 } : {}));
  }

  private change(room: string, how: (row: RoomSummary) => Partial<RoomSummary>): void {
    const row = this.rows.get(room);
    if (row === undefined) return;
    this.rows.set(room, { ...row, ...how(row) });
    this.changed();
  }
}

/** Whether something in the room was not read yet. */
export function isUnread(row: RoomSummary): boolean {
  return row.last_seq > row.read_seq;
}
