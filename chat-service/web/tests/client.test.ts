/** One person's client: opening, resuming, and what it does when the service leaves or refuses. */
import { beforeEach, describe, expect, it } from "vitest";
import { Problem } from "../src/protocol/problem";
import type { FileRest } from "../src/protocol/files";
import type { Rest } from "../src/protocol/rest";
import type { Entry, FoldedMessage, Opened, RoomSummary, ThreadPage } from "../src/protocol/wire";
import { ChatClient } from "../src/store/client";
import { isUnread } from "../src/store/rooms";
import { Session } from "../src/store/session";
import { FakeBrowser, FakeClock, FakeSocket, FakeStorage, settled } from "./fakes";
import { ROOM } from "./histories";

const me = {
  id: "ua",
  username: "ada",
  name: "Ada",
  kind: "registered",
  admin: false,
  active: true,
} as const;
const summary: RoomSummary = {
  room: ROOM,
  kind: "channel",
  visibility: "public",
  name: "General",
  topic: "",
  role: "member",
  last_seq: 3,
  read_seq: 1,
  unread: 1,
  mentions: 1,
  last_message_ts: 3,
  muted: false,
  favourite: false,
  with_user: null,
};

function entry(seq: number, more: Partial<Entry> = {}): Entry {
  return {
    room: ROOM,
    seq,
    id: `id${seq}`,
    kind: "message",
    sender: "ub",
    ts: seq,
    body: { text: `${seq}` },
    ...more,
  };
}

function opened(entries: Entry[], more: Partial<Opened> = {}): Opened {
  const last = entries.at(-1);
  const [last_seq, last_id] = [last?.seq ?? 0, last?.id ?? ""];
  const base = { room: ROOM, role: "member" as const, epoch: "one", online: ["ua"], more: false };
  return { ...base, last_seq, last_id, entries, reset: null, ...more };
}

const beginning = { messages: [], as_of: 0, more: false };

const rest = {
  rooms: async () => [summary],
  people: async () => [],
  room: async () => ({ people: 2 }),
  readMarkers: async () => [{ user: "ub", seq: 1 }],
  setPreferences: async (room: string, asked: object) => ({
    room,
    muted: false,
    favourite: false,
    ...asked,
  }),
  pins: async () => ({ messages: [], as_of: 2 }),
  thread: async (): Promise<ThreadPage> => ({
    root: folded(1, { replies: 0 }),
    messages: [],
    as_of: 2,
    as_of_id: "id2",
    more: false,
  }),
};

function folded(seq: number, more: Partial<FoldedMessage> = {}): FoldedMessage {
  return { seq, id: `id${seq}`, sender: "ub", ts: seq, body: { text: `${seq}` }, ...more };
}

let clock: FakeClock;
let socket: FakeSocket;
let client: ChatClient;
let answers: Record<string, (payload: object) => unknown>;

const asked = (event: string) =>
  socket.calls.filter(([name]) => name === event).map(([, payload]) => payload);
const texts = () => client.log(ROOM).messages.map(({ body }) => body.text);

beforeEach(async () => {
  clock = new FakeClock();
  socket = new FakeSocket();
  answers = { "room:open": () => opened([entry(1), entry(2)], { reset: beginning }) };
  socket.answer = (event, payload) => answers[event]?.(payload) ?? { ok: true };
  const session = new Session({
    storage: { read: () => null, write: () => undefined, listen: () => undefined },
    clock,
    exclusively: (_, work) => work(),
    refresh: () => Promise.reject(new Error("not in this test")),
  });
  session.begin({
    access_token: "a",
    expires_in: 900,
    refresh_token: "r",
    refresh_expires_in: 9_000,
    user: me,
  });
  client = new ChatClient({
    me,
    session,
    rest: rest as unknown as Rest,
    files: {} as FileRest,
    urls: { createObjectURL: () => "blob:1", revokeObjectURL: () => undefined },
    socket,
    clock,
    outboxStorage: new FakeStorage(),
    tabs: new FakeBrowser().tab(),
    drafts: {
      getItem: () => null,
      setItem: () => undefined,
      removeItem: () => undefined,
    } as unknown as Storage,
  });
  client.outbox.lead(true);
  client.start(true);
  client.show(ROOM);
  await settled();
  socket.handlers.opened();
  await settled();
});

describe("a client", () => {
  it("opens the room that is shown, and follows it", async () => {
    expect(texts()).toEqual(["1", "2"]);
    socket.handlers.event("entry", entry(3));
    expect(texts()).toEqual(["1", "2", "3"]);
    expect(client.presence.in(ROOM)).toEqual(new Set(["ua"]));
  });

  it("goes on from what it holds after the connection was lost", async () => {
    socket.handlers.closed(false);
    answers["room:open"] = () => opened([entry(3), entry(4)]);
    await clock.pass(2_000);
    socket.handlers.opened();
    await settled();
    expect(asked("room:open").at(-1)).toEqual({ room: ROOM, after: 2, after_id: "id2", epoch: "one" });
    expect(texts()).toEqual(["1", "2", "3", "4"]);
  });

  it("asks until it is live", async () => {
    socket.handlers.closed(false);
    const pages = [
      opened([entry(3)], { more: true }),
      opened([entry(4)], { more: true }),
      opened([entry(5)]),
    ];
    answers["room:open"] = () => pages.shift();
    await clock.pass(2_000);
    socket.handlers.opened();
    await settled();
    expect(texts()).toEqual(["1", "2", "3", "4", "5"]);
    expect(client.log(ROOM).live).toBe(true);
  });

  it("fetches what did not come, and not what only came late", async () => {
    socket.handlers.event("entry", entry(4));
    socket.handlers.event("entry", entry(3));
    await clock.pass(2_000);
    expect(asked("room:open")).toHaveLength(1);
    socket.handlers.event("entry", entry(6));
    answers["room:open"] = () => opened([entry(5), entry(6)]);
    await clock.pass(2_000);
    expect(texts()).toEqual(["1", "2", "3", "4", "5", "6"]);
  });

  it("begins anew when the log turns out to be another one", async () => {
    const other = { id: "restored", body: { text: "other" } };
    answers["room:open"] = () => opened([entry(1, other)], { reset: beginning, epoch: "two" });
    socket.handlers.event("entry", entry(2, { id: "restored" }));
    await settled();
    expect(asked("room:open").at(-1)).toEqual({ room: ROOM });
    expect(texts()).toEqual(["other"]);
  });

  it("sends through a drain, and again after it, with the same key", async () => {
    socket.handlers.event("notice", { kind: "draining", reconnect_after_ms: 0, jitter_ms: 1_000 });
    answers["message:send"] = () => {
      throw Problem.unanswered("The connection is gone.");
    };
    const item = client.outbox.add(ROOM, { kind: "send", text: "hello" });
    await settled();
    socket.handlers.closed(false);
    expect(client.connection.state).toMatchObject({ kind: "waiting", restarting: true });
    answers["message:send"] = () => ({ seq: 3, id: "id3", ts: 3, duplicate: true });
    answers["room:open"] = () => opened([entry(3, { sender: "ua", key: item.key, body: { text: "hello" } })]);
    await clock.pass(5_000);
    socket.handlers.opened();
    await settled();
    const keys = asked("message:send").map((payload) => (payload as { key: string }).key);
    expect(new Set(keys)).toEqual(new Set([item.key]));
    expect(texts()).toEqual(["1", "2", "hello"]);
    expect(client.outbox.of(ROOM)).toEqual([]);
  });

  it("says that it can only be read while the store is away", async () => {
    answers["message:send"] = () => {
      throw new Problem({ code: "unavailable", message: "", retryable: true });
    };
    client.outbox.add(ROOM, { kind: "send", text: "hello" });
    await settled();
    expect(client.lacks).toBe("writing");
    answers["message:send"] = () => ({ seq: 3, id: "id3", ts: 3, duplicate: false });
    await clock.pass(5_000);
    expect(client.lacks).toBe("nothing");
  });

  it("says that nothing can be read while a room cannot be opened, and opens it by itself", async () => {
    const { "room:open": answer } = answers;
    answers["room:open"] = () => {
      throw new Problem({ code: "unavailable", message: "", retryable: true, retry_after_ms: 3_000 });
    };
    socket.handlers.closed(false);
    await clock.pass(2_000);
    socket.handlers.opened();
    await settled();
    expect(client.lacks).toBe("reading");
    expect(client.openProblem).toBeNull();
    answers["room:open"] = answer ?? (() => undefined);
    await clock.pass(5_000);
    expect(client.lacks).toBe("nothing");
    expect(client.log(ROOM).live).toBe(true);
  });

  it("knows of a server that hears late, until it hears again or another one is reached", async () => {
    socket.handlers.event("notice", { kind: "health", down: ["bus"] });
    expect(client.connection.late).toBe(true);
    socket.handlers.event("notice", { kind: "health", down: [] });
    expect(client.connection.late).toBe(false);
    socket.handlers.event("notice", { kind: "health", down: ["bus"] });
    socket.handlers.closed(false);
    await clock.pass(2_000);
    socket.handlers.opened();
    expect(client.connection.late).toBe(false);
  });

  it("mutes at once, and takes it back where the service refuses", async () => {
    const row = () => client.rooms.get(ROOM);
    const muting = client.prefer(ROOM, { muted: true });
    expect(row()).toMatchObject({ muted: true, favourite: false });
    await muting;
    expect(isUnread({ ...summary, mentions: 0, muted: true })).toBe(false);
    expect(isUnread({ ...summary, mentions: 1, muted: true })).toBe(true);
    rest.setPreferences = async () => Promise.reject(new Error("refused"));
    await expect(client.prefer(ROOM, { favourite: true })).rejects.toThrow();
    expect(row()).toMatchObject({ muted: true, favourite: false });
    socket.handlers.event("preferences", { room: ROOM, muted: false, favourite: true });
    expect(row()).toMatchObject({ muted: false, favourite: true });
  });

  it("looks around a message that is far back, and at the newest again", async () => {
    answers["room:open"] = () =>
      opened([entry(90), entry(91)], { reset: { messages: [], as_of: 89, more: true } });
    socket.handlers.event("notice", { kind: "resync", room: ROOM });
    await settled();
    answers["room:history"] = () => ({
      messages: [folded(10), folded(11)],
      as_of: 91,
      more: true,
      newer: true,
    });
    await client.history.around(ROOM, 10);
    expect(asked("room:history").at(-1)).toEqual({ room: ROOM, around: 10, limit: 100 });
    expect(texts()).toEqual(["10", "11"]);
    socket.handlers.event("entry", entry(92));
    expect(texts()).toEqual(["10", "11"]);
    client.log(ROOM).toNewest();
    expect(texts()?.at(-1)).toBe("92");
  });

  it("counts what is unread, and nothing that was read", async () => {
    const row = () => client.rooms.get(ROOM);
    expect(row()).toMatchObject({ last_seq: 3, read_seq: 1, unread: 1, mentions: 1 });
    client.markRead(ROOM, 3);
    expect(row()).toMatchObject({ read_seq: 3, unread: 0, mentions: 0 });
    socket.handlers.event("unread", { room: ROOM, last_seq: 5, messages: 2, mentions: 1 });
    expect(row()).toMatchObject({ last_seq: 5, unread: 2, mentions: 1 });
    await client.loadRooms();
    expect(row()).toMatchObject({ read_seq: 3 });
  });

  it("lets typing expire", async () => {
    socket.handlers.event("typing", { room: ROOM, user: "ub", on: true });
    expect(client.typing.in(ROOM)).toEqual(["ub"]);
    await clock.pass(7_000);
    expect(client.typing.in(ROOM)).toEqual([]);
  });

  it("shows why a room cannot be opened, and forgets what it held of it", async () => {
    answers["room:open"] = () => {
      throw new Problem({ code: "not_found", message: "There is no such room.", retryable: false });
    };
    socket.handlers.event("rooms", { room: ROOM, member: false, view: null });
    await settled();
    expect(client.openProblem?.message).toBe("There is no such room.");
    expect(texts()).toEqual([]);
  });

  it("takes replies into their thread, counts them at its root, and keeps them out of the room", async () => {
    const thread = client.threads.get(ROOM, 1);
    await thread.load();
    socket.handlers.event("entry", entry(3, { target: 1, ts: 30 }));
    expect(texts()).toEqual(["1", "2"]);
    expect(thread.replies.map(({ seq }) => seq)).toEqual([3]);
    expect(client.log(ROOM).get(1)).toMatchObject({ replies: 1, last_reply_ts: 30 });
    socket.handlers.event("entry", entry(4, { kind: "delete", target: 3, body: { thread: 1 } }));
    expect(client.log(ROOM).get(1)).toMatchObject({ replies: 0 });
    expect(thread.root).toMatchObject({ replies: 0 });
    expect(thread.replies[0]).toMatchObject({ redacted: true });
  });

  it("shows a reply that is on its way until its thread has it", async () => {
    answers["message:send"] = () => ({ seq: 3, id: "id3", ts: 3, duplicate: false });
    const file = { id: "f1", name: "a.txt", type: "text/plain", size: 1, thumbnail: false };
    const item = client.outbox.add(ROOM, { kind: "send", text: "", files: [file], thread: 1 });
    await settled();
    expect(asked("message:send")).toEqual([
      { room: ROOM, key: item.key, body: {}, thread: 1, files: ["f1"] },
    ]);
    expect(client.outbox.of(ROOM)).toHaveLength(1);
    socket.handlers.event("entry", entry(3, { target: 1, sender: "ua", key: item.key }));
    expect(client.outbox.of(ROOM)).toEqual([]);
  });

  it("reads a thread and the pins anew when the room begins anew", async () => {
    const thread = client.threads.get(ROOM, 1);
    await thread.load();
    client.pins.look(ROOM);
    await settled();
    expect(client.pins.messages).toEqual([]);
    rest.pins = async () => ({ messages: [folded(1, { pinned: true })], as_of: 1 }) as never;
    answers["room:open"] = () => opened([entry(1)], { reset: beginning, epoch: "two" });
    socket.handlers.event("entry", entry(2, { id: "restored" }));
    await settled();
    expect(thread.held).toBe(false);
    expect(client.pins.messages).toHaveLength(1);
  });

  it("opens the room again where a thread belongs to another log", async () => {
    const thread = client.threads.get(ROOM, 1);
    rest.thread = async () => ({
      root: folded(1),
      messages: [],
      as_of: 2,
      as_of_id: "restored",
      more: false,
    });
    answers["room:open"] = () => opened([entry(1)], { reset: beginning, epoch: "two" });
    await thread.load();
    await settled();
    expect(asked("room:open").at(-1)).toEqual({ room: ROOM });
  });

  it("knows how far the others have read", async () => {
    expect(client.markers.seen(ROOM, 1)).toEqual(["ub"]);
    expect(client.markers.seen(ROOM, 2)).toEqual([]);
    socket.handlers.event("read", { room: ROOM, user: "ub", seq: 2 });
    expect(client.markers.seen(ROOM, 2)).toEqual(["ub"]);
  });
});
