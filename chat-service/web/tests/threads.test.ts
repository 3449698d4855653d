/** Threads and pins: what is read is joined with what comes live, each entry once. */
import { describe, expect, it } from "vitest";
import { Problem } from "../src/protocol/problem";
import type { Entry, FoldedMessage, PinsPage, ThreadPage } from "../src/protocol/wire";
import { applied, received } from "../src/store/folding";
import { Markers } from "../src/store/markers";
import { Pins } from "../src/store/pins";
import { RoomLog } from "../src/store/room_log";
import { Thread } from "../src/store/thread";
import { FakeClock, settled } from "./fakes";
import { ROOM } from "./histories";

function entry(seq: number, more: Partial<Entry> = {}): Entry {
  const base = { room: ROOM, seq, id: `id${seq}`, sender: "ub", ts: seq * 10 };
  return { ...base, kind: "message", body: { text: `${seq}` }, ...more };
}

function folded(seq: number, more: Partial<FoldedMessage> = {}): FoldedMessage {
  return { seq, id: `id${seq}`, sender: "ub", ts: seq * 10, body: { text: `${seq}` }, ...more };
}

const reply = (seq: number, root = 1) => entry(seq, { target: root });
const deletion = (seq: number, target: number, thread?: number) =>
  entry(seq, { kind: "delete", target, body: thread === undefined ? {} : { thread } });

function held(root: FoldedMessage, as_of: number): RoomLog {
  const log = new RoomLog(ROOM);
  log.opened({
    room: ROOM,
    role: "member",
    epoch: "one",
    last_seq: as_of,
    last_id: `id${as_of}`,
    entries: [],
    more: false,
    online: [],
    reset: { messages: [root], as_of, more: false },
  });
  return log;
}

describe("the count at a thread's root", () => {
  it("counts each reply once, and none that the page had counted", () => {
    const root = received(folded(1, { replies: 2, last_reply_ts: 50 }), 5);
    expect(applied(root, reply(5))).toBe(root);
    expect(applied(root, reply(6))).toMatchObject({ replies: 3, last_reply_ts: 60, as_of: 6 });
    expect(applied(root, reply(6, 2))).toBe(root);
  });

  it("goes down with the first deletion of a reply, which names its thread", () => {
    const log = held(folded(1, { replies: 1, last_reply_ts: 5 }), 1);
    for (const one of [reply(2), deletion(3, 2, 1), deletion(4, 2)]) log.receive(one);
    expect(log.get(1)).toMatchObject({ replies: 1, last_reply_ts: 20 });
    log.receive(deletion(5, 99, 1));
    expect(log.get(1)).toMatchObject({ replies: 0, last_reply_ts: null });
    expect(log.messages).toHaveLength(1);
  });

  it("goes on where the root is deleted", () => {
    const log = held(folded(1), 1);
    for (const one of [reply(2), deletion(3, 1), reply(4)]) log.receive(one);
    expect(log.get(1)).toMatchObject({ redacted: true, replies: 2 });
  });

  it("is right in a page of history that was asked for while replies came", () => {
    const log = new RoomLog(ROOM);
    log.opened({
      room: ROOM,
      role: "member",
      epoch: "one",
      last_seq: 5,
      last_id: "id5",
      entries: [],
      more: false,
      online: [],
      reset: { messages: [folded(5)], as_of: 5, more: true },
    });
    const ticket = log.askOlder();
    if (ticket === null) throw new Error("there is more");
    for (const one of [reply(6), reply(7), deletion(8, 6, 1)]) log.receive(one);
    log.older(ticket, { messages: [folded(1, { replies: 1 })], as_of: 6, more: false });
    expect(log.get(1)).toMatchObject({ replies: 1, last_reply_ts: 70 });
  });
});

interface Asked {
  before: number | null;
  answer: (page: ThreadPage) => void;
  fail: (problem: Problem) => void;
}

function opened(cursor = 0) {
  const clock = new FakeClock();
  const asked: Asked[] = [];
  const thread = new Thread(ROOM, 1, {
    page: (before) => new Promise((answer, fail) => asked.push({ before, answer, fail })),
    cursor: () => cursor,
    came: () => undefined,
    later: (ms, act) => void clock.later(ms, act),
  });
  return { thread, asked, clock };
}

function page(seqs: number[], as_of: number, more = false): ThreadPage {
  const messages = seqs.map((seq) => folded(seq, { thread: 1 }));
  return { root: folded(1, { replies: seqs.length }), messages, as_of, as_of_id: `id${as_of}`, more };
}

const seqs = (thread: Thread) => thread.replies.map(({ seq }) => seq);

describe("a thread", () => {
  it("joins the page with what came while it was asked for", async () => {
    const { thread, asked } = opened();
    void thread.load();
    for (const one of [reply(4), reply(5), reply(6, 99), entry(7, { kind: "edit", target: 4 })])
      thread.take(one);
    asked[0]?.answer(page([2, 4], 4));
    await settled();
    expect(seqs(thread)).toEqual([2, 4, 5]);
    expect(thread.root).toMatchObject({ replies: 3, last_reply_ts: 50 });
    expect(thread.replies[1]).toMatchObject({ edited: 7 });
    thread.take(reply(8));
    thread.take(deletion(9, 5, 1));
    expect(seqs(thread)).toEqual([2, 4, 5, 8]);
    expect(thread.root?.replies).toBe(3);
  });

  it("reads older replies, changed by what came meanwhile", async () => {
    const { thread, asked } = opened();
    void thread.load();
    asked[0]?.answer(page([5, 6], 6, true));
    await settled();
    void thread.loadOlder();
    void thread.loadOlder();
    expect(asked.map(({ before }) => before)).toEqual([null, 5]);
    thread.take(entry(7, { kind: "reaction", target: 3, body: { emoji: "👍", on: true } }));
    asked[1]?.answer(page([2, 3], 6));
    await settled();
    expect(seqs(thread)).toEqual([2, 3, 5, 6]);
    expect(thread.replies[1]?.reactions).toEqual({ "👍": ["ub"] });
    expect(thread.more).toBe(false);
  });

  it("asks again where the page is older than what came live before it was asked for", async () => {
    const { thread, asked, clock } = opened(9);
    void thread.load();
    asked[0]?.answer(page([2], 8));
    await settled();
    expect(thread.held).toBe(false);
    expect(thread.loading).toBe(true);
    await clock.pass(1_000);
    asked[1]?.answer(page([2, 9], 9));
    await settled();
    expect(seqs(thread)).toEqual([2, 9]);
  });

  it("throws a page away that was asked of the log before it began anew", async () => {
    const { thread, asked } = opened();
    void thread.load();
    thread.forget();
    asked[0]?.answer(page([2], 8));
    await settled();
    expect(thread.held).toBe(false);
    void thread.load();
    asked[1]?.answer(page([3], 3));
    await settled();
    expect(seqs(thread)).toEqual([3]);
  });

  it("says why it cannot be shown, and is asked for again", async () => {
    const { thread, asked } = opened();
    void thread.load();
    asked[0]?.fail(new Problem({ code: "not_found", message: "No.", retryable: false }));
    await settled();
    expect(thread.problem?.message).toBe("No.");
    void thread.load();
    expect(thread.problem).toBeNull();
    expect(asked).toHaveLength(2);
  });
});

describe("pins", () => {
  const pin = (seq: number, target: number, on: boolean): Entry =>
    entry(seq, { kind: "pin", target, body: { on } });

  function looked(answers: PinsPage[]) {
    let asked = 0;
    const pins = new Pins({
      rest: {
        pins: async () => {
          asked += 1;
          return answers.shift() as PinsPage;
        },
      },
      message: (_, seq) => (seq < 10 ? received(folded(seq), 20) : undefined),
    });
    pins.look(ROOM);
    return { pins, asked: () => asked, shown: () => pins.messages?.map(({ seq }) => seq) };
  }

  const first: PinsPage = { messages: [folded(3, { pinned: true }), folded(2, { pinned: true })], as_of: 20 };

  it("are the newest first, and follow what is pinned, unpinned, edited and deleted", async () => {
    const { pins, shown } = looked([first]);
    await settled();
    pins.take(pin(21, 5, true));
    expect(shown()).toEqual([5, 3, 2]);
    pins.take(pin(22, 3, false));
    expect(shown()).toEqual([5, 2]);
    pins.take(entry(23, { kind: "edit", target: 2, body: { text: "new" } }));
    expect(pins.messages?.[1]?.body.text).toBe("new");
    pins.take(deletion(24, 5));
    expect(shown()).toEqual([2]);
    pins.take(pin(25, 2, true));
    expect(shown()).toEqual([2]);
  });

  it("take nothing twice that came while they were asked for", async () => {
    const { pins, shown } = looked([{ messages: [folded(3, { pinned: true })], as_of: 20 }]);
    pins.take(pin(20, 3, true));
    pins.take(pin(21, 4, true));
    await settled();
    expect(shown()).toEqual([4, 3]);
  });

  it("are asked for again where the message is not held here", async () => {
    const { pins, asked, shown } = looked([
      first,
      { messages: [folded(12, { pinned: true }), ...first.messages], as_of: 21 },
    ]);
    await settled();
    pins.take(pin(21, 12, true));
    await settled();
    expect(asked()).toBe(2);
    expect(shown()).toEqual([12, 3, 2]);
  });

  it("fold into the message", () => {
    const message = received(folded(1), 1);
    const pinned = applied(message, pin(2, 1, true));
    expect(pinned.pinned).toBe(true);
    expect(applied(pinned, pin(2, 1, false))).toBe(pinned);
    expect(applied(pinned, pin(3, 1, false)).pinned).toBe(false);
    expect(applied(pinned, deletion(3, 1)).pinned).toBe(false);
  });
});

describe("read markers", () => {
  function made(people: number, markers = [{ user: "ub", seq: 4 }]) {
    return new Markers({ markers: async () => markers, people: async () => people, me: () => "ua" });
  }

  it("only go on, and leave one's own out", async () => {
    const markers = made(3, [
      { user: "ua", seq: 9 },
      { user: "ub", seq: 4 },
      { user: "uc", seq: 6 },
    ]);
    await markers.load(ROOM, "channel");
    expect(markers.seen(ROOM, 4)).toEqual(["uc", "ub"]);
    expect(markers.furthest(ROOM)).toBe(6);
    markers.heard(ROOM, "ub", 8);
    markers.heard(ROOM, "ub", 5);
    expect(markers.seen(ROOM, 5)).toEqual(["ub", "uc"]);
    expect(markers.furthest(ROOM)).toBe(8);
    await markers.load(ROOM, "channel");
    expect(markers.furthest(ROOM)).toBe(8);
  });

  it("are shown in rooms of up to 30 people, and in direct ones whoever is asked", async () => {
    const small = made(30);
    await small.load(ROOM, "channel");
    expect(small.seen(ROOM, 1)).toEqual(["ub"]);
    const large = made(31);
    await large.load(ROOM, "channel");
    large.heard(ROOM, "ub", 5);
    expect(large.seen(ROOM, 1)).toEqual([]);
    const direct = made(1_000);
    await direct.load(ROOM, "direct");
    expect(direct.seen(ROOM, 1)).toEqual(["ub"]);
  });

  it("are not shown where they may not be read", async () => {
    const markers = new Markers({
      markers: () => Promise.reject(new Error("forbidden")),
      people: async () => 2,
      me: () => "ua",
    });
    await markers.load(ROOM, "channel");
    expect(markers.seen(ROOM, 1)).toEqual([]);
  });
});
