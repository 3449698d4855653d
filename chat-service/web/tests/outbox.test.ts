/** What is written is sent once in effect, in order, whatever happens to tabs, pages and the network. */
import { beforeEach, describe, expect, it } from "vitest";
import { Problem } from "../src/protocol/problem";
import type { Receipt } from "../src/protocol/wire";
import { Outbox, type Item } from "../src/store/outbox";
import { asEvent } from "../src/store/write_events";
import { FakeBrowser, FakeClock, FakeStorage, settled } from "./fakes";

const refused = new Problem({ code: "too_large", message: "Split it.", retryable: false });
const down = Problem.unanswered("The server did not answer in time.");

let clock: FakeClock;
let storage: FakeStorage;
let browser: FakeBrowser;
let service: { log: string[]; answer: (item: Item) => Promise<Receipt> };

beforeEach(() => {
  clock = new FakeClock();
  storage = new FakeStorage();
  browser = new FakeBrowser();
  const keys: string[] = [];
  const log: string[] = [];
  service = {
    log,
    // As the service does it: the same key again adds nothing.
    answer: async (item) => {
      if (!keys.includes(item.key)) {
        keys.push(item.key);
        log.push(`${item.room}:${item.write.kind === "send" ? item.write.text : item.write.kind}`);
      }
      return { seq: keys.indexOf(item.key) + 1, id: "id", ts: 0, duplicate: false };
    },
  };
});

function page(): Outbox {
  return new Outbox({
    user: "ua",
    storage,
    tabs: browser.tab(),
    clock,
    deliver: (item) => service.answer(item),
  });
}

function leading(): Outbox {
  const outbox = page();
  outbox.lead(true);
  outbox.setOnline(true);
  return outbox;
}

const send = (text: string) => ({ kind: "send", text }) as const;

describe("the outbox", () => {
  it("keeps the order of a room, also where one is answered late", async () => {
    const outbox = leading();
    const answer = service.answer;
    service.answer = async (item) => {
      if (item.write.kind === "send" && item.write.text === "one") await clock.pass(0);
      return answer(item);
    };
    for (const text of ["one", "two", "three"]) outbox.add("a", send(text));
    outbox.add("b", send("elsewhere"));
    await settled();
    await settled();
    expect(service.log.filter((line) => line.startsWith("a"))).toEqual(["a:one", "a:two", "a:three"]);
    expect(service.log).toContain("b:elsewhere");
  });

  it("shows what was stored until the log has it", async () => {
    const outbox = leading();
    const item = outbox.add("a", send("one"));
    expect(outbox.of("a")[0]?.state).toBe("sending");
    await settled();
    expect(outbox.of("a")[0]).toMatchObject({ state: "stored", seq: 1 });
    expect(storage.items.size).toBe(0);
    outbox.seen("a", 1, item.key);
    expect(outbox.of("a")).toEqual([]);
  });

  it("drops what the log shows before it is acknowledged", async () => {
    const outbox = leading();
    const item = outbox.add("a", send("one"));
    outbox.seen("a", 1, item.key);
    await settled();
    expect(outbox.of("a")).toEqual([]);
    expect(storage.items.size).toBe(0);
  });

  it("sends nothing while there is no connection, and all of it in order afterwards", async () => {
    const outbox = page();
    outbox.lead(true);
    outbox.add("a", send("one"));
    outbox.add("a", send("two"));
    await settled();
    expect(service.log).toEqual([]);
    expect(outbox.waiting).toBe(2);
    outbox.setOnline(true);
    await settled();
    expect(service.log).toEqual(["a:one", "a:two"]);
  });

  it("tries again with the same key, later and later, and overtakes nothing", async () => {
    const outbox = leading();
    const answer = service.answer;
    const tried: number[] = [];
    service.answer = async (item) => {
      tried.push(clock.now());
      // Stored, and the acknowledgement lost: the worst case for doubling.
      await answer(item);
      if (tried.length < 4) throw down;
      return answer(item);
    };
    outbox.add("a", send("one"));
    outbox.add("a", send("two"));
    await clock.pass(20_000);
    expect(service.log).toEqual(["a:one", "a:two"]);
    const pauses = tried.slice(1, 4).map((at, index) => at - (tried[index] ?? 0));
    expect(pauses).toEqual([...pauses].sort((x, y) => x - y));
    expect(new Set(pauses).size).toBe(3);
  });

  it("waits as long as the service asks", async () => {
    const outbox = leading();
    const answer = service.answer;
    service.answer = async () => {
      throw new Problem({ code: "rate_limited", message: "", retryable: true, retry_after_ms: 9_000 });
    };
    outbox.add("a", send("one"));
    await clock.pass(100);
    service.answer = answer;
    await clock.pass(8_000);
    expect(service.log).toEqual([]);
    await clock.pass(1_500);
    expect(service.log).toEqual(["a:one"]);
  });

  it.each(["unavailable", "overloaded", "rate_limited", "draining", "aborted"])(
    "never gives up what is refused as %s, and asks with the same key",
    async (code) => {
      const outbox = leading();
      const { answer } = service;
      const keys = new Set<string>();
      let asked = 0;
      service.answer = async (item) => {
        asked += 1;
        keys.add(item.key);
        throw new Problem({ code, message: "", retryable: true, retry_after_ms: 2_000 });
      };
      const { key } = outbox.add("a", send("one"));
      await clock.pass(600_000);
      expect(asked).toBeGreaterThan(15);
      expect(outbox.of("a")).toMatchObject([{ key, state: "waiting" }]);
      service.answer = answer;
      await clock.pass(60_000);
      expect(service.log).toEqual(["a:one"]);
      expect(keys).toEqual(new Set([key]));
    },
  );

  it("shows what was refused for good, sends the rest, and retries on demand", async () => {
    const outbox = leading();
    const answer = service.answer;
    service.answer = async (item) => {
      if (item.write.kind === "send" && item.write.text === "long") throw refused;
      return answer(item);
    };
    const long = outbox.add("a", send("long"));
    outbox.add("a", send("two"));
    await settled();
    expect(outbox.of("a")[0]).toMatchObject({ state: "failed", problem: { message: "Split it." } });
    expect(service.log).toEqual(["a:two"]);
    service.answer = answer;
    outbox.retry(long.key);
    await settled();
    expect(service.log).toEqual(["a:two", "a:long"]);
  });

  it("does not let what the service always fails at hold up the rest", async () => {
    const outbox = leading();
    const answer = service.answer;
    service.answer = async (item) => {
      if (item.write.kind === "send" && item.write.text === "poison") {
        throw new Problem({ code: "internal", message: "The server failed at this.", retryable: true });
      }
      return answer(item);
    };
    outbox.add("a", send("poison"));
    outbox.add("a", send("two"));
    await clock.pass(200_000);
    expect(outbox.of("a")[0]?.state).toBe("failed");
    expect(service.log).toEqual(["a:two"]);
  });

  it("gives up what was refused only when told so", async () => {
    const outbox = leading();
    service.answer = async () => {
      throw refused;
    };
    const item = outbox.add("a", send("one"));
    await settled();
    expect(storage.items.size).toBe(1);
    outbox.discard(item.key);
    expect(outbox.of("a")).toEqual([]);
    expect(storage.items.size).toBe(0);
  });

  it("survives a reload with the same keys and order", async () => {
    const answer = service.answer;
    const before = leading();
    service.answer = async (item) => {
      await answer(item);
      return new Promise(() => undefined); // The page is closed before the answer.
    };
    before.add("a", send("one"));
    before.add("a", send("two"));
    await settled();
    await before.end(false);

    service.answer = answer;
    const after = leading();
    await after.restore();
    await settled();
    expect(service.log).toEqual(["a:one", "a:two"]);
    expect(storage.items.size).toBe(0);
  });

  it("sends files and replies after a reload with the same keys, and what they say", async () => {
    const events: [string, object][] = [];
    const before = leading();
    service.answer = async (item) => {
      events.push(asEvent(item));
      return new Promise(() => undefined); // The page is closed before the answer.
    };
    const file = { id: "f1", name: "a.png", type: "image/png", size: 1, thumbnail: true };
    before.add("a", { kind: "send", text: "", files: [file], thread: 4 });
    await settled();
    await before.end(false);

    service.answer = async (item) => {
      events.push(asEvent(item));
      return { seq: 1, id: "id", ts: 0, duplicate: true };
    };
    const after = leading();
    await after.restore();
    await settled();
    expect(events).toHaveLength(2);
    expect(events[1]).toEqual(events[0]);
    expect(events[0]?.[1]).toMatchObject({ body: {}, files: ["f1"], thread: 4 });
  });

  it("is sent by one tab, shown in all, and taken over when that one goes", async () => {
    const first = page();
    const second = page();
    first.lead(true);
    first.setOnline(true);
    second.setOnline(true);
    second.add("a", send("from the second"));
    expect(first.of("a")).toHaveLength(1);
    await settled();
    expect(service.log).toEqual(["a:from the second"]);
    expect(second.of("a")[0]?.state).toBe("stored");

    await first.end(false);
    second.add("a", send("after"));
    await settled();
    expect(service.log).toHaveLength(1);
    second.lead(true);
    await settled();
    expect(service.log).toEqual(["a:from the second", "a:after"]);
  });

  it("throws everything away at signing out", async () => {
    const outbox = page();
    outbox.add("a", send("one"));
    await outbox.end(true);
    expect(storage.items.size).toBe(0);
  });
});
