/** What a client holds of a room is what a fresh fold of the room's log would give, whatever came on the way. */
import { describe, expect, it } from "vitest";
import { received, type Message } from "../src/store/folding";
import { RoomLog } from "../src/store/room_log";
import type { Entry, HistoryPage, Opened } from "../src/protocol/wire";
import { dice } from "./fakes";
import { folded, history, ROOM } from "./histories";

const EPOCH = "epoch one";

function page(log: Entry[], before: number, limit: number): HistoryPage {
  const messages = folded(log, before, limit);
  const all = folded(log, before);
  return { messages, as_of: log.length, more: all.length > messages.length };
}

/** The page of `limit` messages from a seq on. */
function stretch(log: Entry[], from: number, limit: number): HistoryPage {
  const all = folded(log);
  const messages = all.filter(({ seq }) => seq >= from).slice(0, limit);
  const [first, last] = [messages[0]?.seq ?? 0, messages.at(-1)?.seq ?? from];
  return {
    messages,
    as_of: log.length,
    more: all.some(({ seq }) => seq < first),
    newer: all.some(({ seq }) => seq > last),
  };
}

function answer(log: Entry[], after: number | null, upto: number, more = false, limit = 10): Opened {
  const now = log.slice(0, upto);
  const reset = after === null ? page(now, Infinity, limit) : null;
  const entries = after === null ? [] : now.slice(after);
  const last = now.at(-1);
  return {
    room: ROOM,
    role: "member",
    epoch: EPOCH,
    last_seq: last?.seq ?? 0,
    last_id: last?.id ?? "",
    entries,
    more,
    online: [],
    reset,
  };
}

/** Without what only says how a message was come by. */
function shown(messages: readonly Message[]): unknown[] {
  return messages.map(({ as_of: _, ...rest }) => rest);
}

function fresh(log: Entry[], from = 0): unknown[] {
  return shown(folded(log).map((message) => received(message, 0))).filter(
    (message) => (message as Message).seq >= from,
  );
}

describe("a room's log", () => {
  it.each(Array.from({ length: 60 }, (_, seed) => seed))(
    "folds and applies to what a fresh fold gives (%i)",
    (seed) => {
      const log = history(seed, 120);
      const roll = dice(seed + 1000);
      const held = new RoomLog(ROOM);
      let at = 1 + roll(60);
      held.opened(answer(log, null, at, false, 5));
      while (at < log.length) {
        const step = Math.min(log.length - at, 1 + roll(8));
        const live = log.slice(at, at + step);
        const ticket = roll(3) === 0 ? held.askOlder() : null;
        // The page may be as of any entry from what was held to what is there by now.
        const asOf = at + roll(step + 1);
        if (roll(4) === 0) {
          held.paused();
          held.opened(answer(log, held.cursor, at + step));
        } else {
          for (const entry of shuffled([...live, ...live.filter(() => roll(2) === 0)], roll))
            held.receive(entry);
          expect(held.hasGap).toBe(false);
        }
        at += step;
        if (ticket !== null) held.older(ticket, page(log.slice(0, asOf), ticket.seq, 7));
      }
      while (held.more) {
        const ticket = held.askOlder();
        if (ticket === null) throw new Error("there is more, and it cannot be asked for");
        held.older(ticket, page(log, ticket.seq, 7));
      }
      expect(shown(held.messages)).toEqual(fresh(log));
    },
  );

  it.each(Array.from({ length: 40 }, (_, seed) => seed))(
    "joins a stretch of the past to the newest messages without a hole (%i)",
    (seed) => {
      const log = history(seed, 200);
      const roll = dice(seed + 2000);
      const held = new RoomLog(ROOM);
      let at = 120 + roll(20);
      held.opened(answer(log, null, at, false, 5));
      const live = () => {
        const step = Math.min(log.length - at, roll(6));
        for (const entry of log.slice(at, at + step)) held.receive(entry);
        at += step;
      };
      const begin = held.messages[0]?.seq ?? 0;
      const aim = 1 + roll(begin);
      const around = held.askAround(aim);
      const asOf = at;
      live();
      held.around(around, stretch(log.slice(0, asOf), aim - 3, 6));
      expect(held.past).toBe((held.messages.at(-1)?.seq ?? 0) < begin);
      for (let asked = 0; held.past; asked += 1) {
        expect(asked).toBeLessThan(100);
        const ticket = held.askNewer();
        const now = at;
        live();
        if (ticket !== null) held.newer(ticket, stretch(log.slice(0, now), ticket.seq + 1, 4));
      }
      live();
      const first = held.messages[0]?.seq ?? 0;
      expect(shown(held.messages)).toEqual(fresh(log.slice(0, at), first));
      expect(held.newest).toBe(held.messages);
    },
  );

  it("keeps the newest messages up to date while the past is looked at", () => {
    const log = history(5, 200);
    const held = new RoomLog(ROOM);
    held.opened(answer(log, null, 150, false, 5));
    held.around(held.askAround(10), stretch(log.slice(0, 150), 5, 8));
    expect(held.past).toBe(true);
    for (const entry of log.slice(150)) held.receive(entry);
    const [from, to] = [held.messages[0]?.seq ?? 0, held.messages.at(-1)?.seq ?? 0];
    expect(shown(held.messages)).toEqual(
      fresh(log, from).filter((message) => (message as Message).seq <= to),
    );
    held.toNewest();
    expect(held.past).toBe(false);
    expect(shown(held.messages)).toEqual(fresh(log, held.messages[0]?.seq ?? 0));
  });

  it("says what it holds, and begins anew where the service says so", () => {
    const log = history(7, 40);
    const held = new RoomLog(ROOM);
    expect(held.held()).toEqual({});
    held.opened(answer(log, null, 20));
    expect(held.held()).toEqual({ after: 20, after_id: log[19]?.id, epoch: EPOCH });

    const other = history(8, 30);
    held.opened({ ...answer(other, null, 30), epoch: "epoch two" });
    expect(held.held()).toEqual({ after: 30, after_id: other[29]?.id, epoch: "epoch two" });
    const first = held.messages[0]?.seq ?? 0;
    expect(shown(held.messages)).toEqual(fresh(other, first));
  });

  it("holds nothing rather than two logs mixed", () => {
    const log = history(9, 40);
    const held = new RoomLog(ROOM);
    held.opened(answer(log, null, 20));
    held.opened({ ...answer(log, 20, 30), epoch: "epoch two" });
    expect(held.held()).toEqual({});
    expect(held.messages).toHaveLength(0);
    expect(held.live).toBe(false);
  });

  it("notices that its last entry is another one", () => {
    const log = history(10, 20);
    const held = new RoomLog(ROOM);
    held.opened(answer(log, null, 20));
    expect(held.receive({ ...(log[19] as Entry), id: "restored" })).toBe("contradicts");
    expect(held.receive(log[19] as Entry)).toBe("known");
  });

  it("is not live until the last page of a resume came", () => {
    const log = history(11, 40);
    const held = new RoomLog(ROOM);
    held.opened(answer(log, null, 10));
    held.paused();
    held.opened(answer(log, 10, 20, true));
    expect(held.live).toBe(false);
    held.opened(answer(log, 20, 40));
    expect(held.live).toBe(true);
    expect(held.cursor).toBe(40);
  });

  it("throws a page away that was asked of the log before a reset", () => {
    const log = history(12, 80);
    const held = new RoomLog(ROOM);
    held.opened(answer(log, null, 40, false, 3));
    const ticket = held.askOlder();
    held.opened(answer(log, null, 80, false, 3));
    const before = shown(held.messages);
    if (ticket !== null) held.older(ticket, page(log, ticket.seq, 7));
    expect(ticket).not.toBeNull();
    expect(shown(held.messages)).toEqual(before);
  });

  it("tells of every entry once, in order", () => {
    const log = history(13, 50);
    const heard: number[] = [];
    const held = new RoomLog(ROOM, (entry) => heard.push(entry.seq));
    held.opened(answer(log, null, 10));
    for (const entry of [...log.slice(10, 30), ...log.slice(5, 30)]) held.receive(entry);
    held.opened(answer(log, 30, 50));
    expect(heard).toEqual(Array.from({ length: 40 }, (_, index) => index + 11));
  });
});

function shuffled<T>(items: T[], roll: (sides: number) => number): T[] {
  const left = [...items];
  const out: T[] = [];
  while (left.length > 0) out.push(...left.splice(roll(left.length), 1));
  return out;
}
