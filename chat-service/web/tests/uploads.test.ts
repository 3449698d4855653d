/** Uploads: progress, calling off, failing, trying again, and what is left of them after a reload. */
import { beforeEach, describe, expect, it } from "vitest";
import type { UploadAsked } from "../src/protocol/files";
import { Problem } from "../src/protocol/problem";
import type { FileView } from "../src/protocol/wire";
import { Drafts } from "../src/store/drafts";
import { Uploads } from "../src/store/uploads";
import { FakeClock, settled } from "./fakes";

const ROOM = "caaaaaaaaaaaaaaaaaaaaa";
const LIMITS = { max_file_bytes: 100, max_files_per_message: 3 };

interface Running {
  asked: UploadAsked;
  answer: (file: FileView) => void;
  fail: (problem: Problem) => void;
}

let clock: FakeClock;
let running: Running[];
let takenBack: string[];
let stored: Map<string, string>;
let drafts: Drafts;
let uploads: Uploads;

const file = (name: string, size = 10) => new File([new Uint8Array(size)], name);
const view = (id: string, name = `${id}.txt`): FileView => ({
  id,
  name,
  type: "text/plain",
  size: 10,
  thumbnail: false,
});
const states = (place = ROOM) => uploads.of(place).map(({ state }) => state);

function page(): Uploads {
  return new Uploads({
    upload: (asked) =>
      new Promise((answer, fail) => {
        running.push({ asked, answer, fail });
        asked.signal.addEventListener("abort", () => fail(problem("called_off")));
      }),
    takeBack: async (id) => void takenBack.push(id),
    limits: async () => LIMITS,
    drafts,
    clock,
  });
}

function problem(code: string, more: { retry_after_ms?: number } = {}): Problem {
  return new Problem({ code, message: code, retryable: false, ...more });
}

beforeEach(() => {
  clock = new FakeClock();
  running = [];
  takenBack = [];
  stored = new Map();
  drafts = new Drafts("ua", {
    getItem: (name) => stored.get(name) ?? null,
    setItem: (name, value) => void stored.set(name, value),
    removeItem: (name) => void stored.delete(name),
  });
  uploads = page();
});

describe("uploads", () => {
  it("go on two at a time, tell how far they are, and are taken with a message", async () => {
    await uploads.add(ROOM, ROOM, [file("a"), file("b"), file("c")]);
    expect(states()).toEqual(["sending", "sending", "waiting"]);
    running[0]?.asked.progress(4);
    expect(uploads.of(ROOM)[0]).toMatchObject({ sent: 4, size: 10 });
    expect(uploads.unfinished(ROOM)).toBe(3);
    for (const [at, id] of ["f1", "f2", "f3"].entries()) {
      running[at]?.answer(view(id));
      await settled();
    }
    expect(uploads.unfinished(ROOM)).toBe(0);
    expect(uploads.taken(ROOM).map(({ id }) => id)).toEqual(["f1", "f2", "f3"]);
    expect(uploads.of(ROOM)).toEqual([]);
    expect(stored.size).toBe(0);
  });

  it("go on while another room is shown, each in its place", async () => {
    await uploads.add(ROOM, ROOM, [file("a")]);
    await uploads.add(ROOM, `${ROOM}.7`, [file("b")]);
    running[0]?.answer(view("f1"));
    await settled();
    expect(states()).toEqual(["done"]);
    expect(states(`${ROOM}.7`)).toEqual(["sending"]);
    expect(running[1]?.asked.room).toBe(ROOM);
  });

  it("refuse what is too large before anything is sent, and say how many are too many", async () => {
    const left = await uploads.add(ROOM, ROOM, [
      file("big", 101),
      file("b"),
      file("c"),
      file("d"),
      file("e"),
    ]);
    expect(left).toBe(2);
    expect(states()).toEqual(["failed", "sending", "sending"]);
    expect(uploads.of(ROOM)[0]).toMatchObject({ problem: { code: "too_large" } });
    expect(running).toHaveLength(2);
  });

  it("are called off, also where they came through meanwhile", async () => {
    await uploads.add(ROOM, ROOM, [file("a"), file("b")]);
    const [first, second] = uploads.of(ROOM).map(({ id }) => id);
    uploads.remove(first ?? 0);
    expect(running[0]?.asked.signal.aborted).toBe(true);
    const late = running[1];
    running[1]?.asked.signal.addEventListener("abort", () => late?.answer(view("f2")));
    late?.answer(view("f2"));
    uploads.remove(second ?? 0);
    await settled();
    expect(uploads.of(ROOM)).toEqual([]);
    expect(takenBack).toEqual(["f2"]);
  });

  it("are taken back when they are removed", async () => {
    await uploads.add(ROOM, ROOM, [file("a")]);
    running[0]?.answer(view("f1"));
    await settled();
    uploads.remove(uploads.of(ROOM)[0]?.id ?? 0);
    expect(takenBack).toEqual(["f1"]);
    expect(stored.size).toBe(0);
  });

  it("fail visibly and are tried again on demand", async () => {
    await uploads.add(ROOM, ROOM, [file("a")]);
    running[0]?.fail(problem("quota_exceeded"));
    await settled();
    expect(uploads.of(ROOM)[0]).toMatchObject({ state: "failed", problem: { code: "quota_exceeded" } });
    expect(uploads.unfinished(ROOM)).toBe(0);
    uploads.retry(uploads.of(ROOM)[0]?.id ?? 0);
    running[1]?.answer(view("f1"));
    await settled();
    expect(states()).toEqual(["done"]);
  });

  it("wait as long as the service asks, and not for ever", async () => {
    await uploads.add(ROOM, ROOM, [file("a")]);
    running[0]?.fail(problem("rate_limited", { retry_after_ms: 9_000 }));
    await clock.pass(8_000);
    expect(running).toHaveLength(1);
    expect(uploads.of(ROOM)[0]).toMatchObject({ state: "waiting", problem: { code: "rate_limited" } });
    await clock.pass(1_000);
    expect(running).toHaveLength(2);
    for (let at = 1; at < 20 && states()[0] !== "failed"; at += 1) {
      running[at]?.fail(problem("rate_limited", { retry_after_ms: 10 }));
      await clock.pass(10);
    }
    expect(running).toHaveLength(6);
    expect(states()).toEqual(["failed"]);
  });

  it("that are done are there after a reload, by name and id", async () => {
    await uploads.add(ROOM, ROOM, [file("a"), file("b")]);
    running[0]?.answer(view("f1", "a.txt"));
    await settled();
    const after = page();
    expect(after.of(ROOM)).toMatchObject([{ state: "done", name: "a.txt", source: null }]);
    expect(after.taken(ROOM).map(({ id }) => id)).toEqual(["f1"]);
    expect(page().of(ROOM)).toEqual([]);
  });

  it("take nothing from storage that is no file", () => {
    stored.set(`chat.files.ua.${ROOM}`, '[{"id": 1}, null, "x"]');
    expect(page().of(ROOM)).toEqual([]);
    stored.set(`chat.files.ua.${ROOM}`, "{");
    expect(page().of(ROOM)).toEqual([]);
  });

  it("end with the session", async () => {
    await uploads.add(ROOM, ROOM, [file("a")]);
    uploads.end();
    expect(running[0]?.asked.signal.aborted).toBe(true);
  });
});
