/** Searching: pages in order, none of an earlier query, and what passes is waited for. */
import { beforeEach, describe, expect, it } from "vitest";
import { Problem } from "../src/protocol/problem";
import type { Hits } from "../src/protocol/wire";
import { Search } from "../src/store/search";
import { FakeClock, settled } from "./fakes";
import { ROOM } from "./histories";

const hit = (seq: number) => ({
  room: ROOM,
  message: { seq, id: `id${seq}`, sender: "ua", ts: seq, body: { text: "tea" } },
});
const page = (next: string | null, ...seqs: number[]): Hits => ({ hits: seqs.map(hit), next });

let clock: FakeClock;
let asked: [string, string | null][];
let answer: (q: string, before: string | null) => Promise<Hits>;
let search: Search;
const seqs = () => search.hits.map(({ message }) => message.seq);

beforeEach(() => {
  clock = new FakeClock();
  asked = [];
  answer = async () => page(null, 2, 1);
  search = new Search({
    clock,
    rest: {
      search: (q, before) => {
        asked.push([q, before]);
        return answer(q, before);
      },
    },
  });
});

describe("a search", () => {
  it("brings pages, one after the other", async () => {
    answer = async (_, before) => (before === null ? page("7", 9, 8) : page(null, 6));
    search.look("tea");
    expect(search.loading).toBe(true);
    await settled();
    expect(seqs()).toEqual([9, 8]);
    expect(search.more).toBe(true);
    search.loadMore();
    search.loadMore();
    await settled();
    expect(seqs()).toEqual([9, 8, 6]);
    expect(search.more).toBe(false);
    expect(asked).toEqual([
      ["tea", null],
      ["tea", "7"],
    ]);
  });

  it("shows nothing of what was looked for before", async () => {
    let late: (hits: Hits) => void = () => undefined;
    answer = () => new Promise((resolve) => (late = resolve));
    search.look("tea");
    answer = async () => page(null, 1);
    search.look("coffee");
    await settled();
    late(page(null, 5));
    await settled();
    expect(seqs()).toEqual([1]);
    search.look("  ");
    expect(search).toMatchObject({ hits: [], answered: false, loading: false });
    expect(asked).toHaveLength(2);
  });

  it("waits for what passes as long as it is asked to, and says what does not", async () => {
    answer = async () => {
      throw new Problem({ code: "rate_limited", message: "", retryable: true, retry_after_ms: 3_000 });
    };
    search.look("tea");
    await clock.pass(2_900);
    expect(asked).toHaveLength(1);
    expect(search).toMatchObject({ loading: true, problem: null });
    answer = async () => page(null, 1);
    await clock.pass(1_000);
    expect(seqs()).toEqual([1]);
    answer = async () => {
      throw new Problem({ code: "invalid", message: "There is nobody called x.", retryable: false });
    };
    search.look("from:x");
    await settled();
    expect(search).toMatchObject({ loading: false, problem: { code: "invalid" } });
  });

  it("stops asking after a while, and asks again on demand", async () => {
    answer = async () => {
      throw new Problem({ code: "unavailable", message: "", retryable: true });
    };
    search.look("tea");
    await clock.pass(60_000);
    expect(asked).toHaveLength(4);
    expect(search.problem?.code).toBe("unavailable");
    answer = async () => page(null, 1);
    search.again();
    await settled();
    expect(seqs()).toEqual([1]);
  });
});
