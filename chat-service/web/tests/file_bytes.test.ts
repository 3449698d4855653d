/** The bytes of files: fetched once, kept while they are needed, let go of in the end. */
import { beforeEach, describe, expect, it } from "vitest";
import { Problem } from "../src/protocol/problem";
import { FileBytes } from "../src/store/file_bytes";
import { settled } from "./fakes";

let asked: string[];
let alive: Set<string>;
let answer: (file: string) => Promise<Blob>;
let bytes: FileBytes;

beforeEach(() => {
  asked = [];
  alive = new Set();
  answer = async (file) => new Blob([file]);
  bytes = new FileBytes({
    bytes: (file, thumbnail) => {
      asked.push(thumbnail ? `${file} small` : file);
      return answer(file);
    },
    urls: {
      createObjectURL: () => {
        const url = `blob:${asked.length}.${alive.size}`;
        alive.add(url);
        return url;
      },
      revokeObjectURL: (url) => void alive.delete(url),
    },
  });
});

describe("the bytes of files", () => {
  it("are fetched once for all who need them, and again for nobody who comes back", async () => {
    const first = bytes.need("f1", true);
    const second = bytes.need("f1", true);
    expect(bytes.get("f1", true).state).toBe("loading");
    await settled();
    expect(bytes.get("f1", true)).toMatchObject({ state: "ready" });
    first();
    second();
    bytes.need("f1", true);
    expect(asked).toEqual(["f1 small"]);
    expect(bytes.get("f1", true).state).toBe("ready");
  });

  it("are let go of beyond a bound, the longest unused first, and never those in use", async () => {
    bytes.need("kept", false);
    for (let nth = 0; nth < 200; nth += 1) {
      const over = bytes.need(`f${nth}`, false);
      await settled();
      over();
    }
    expect(alive.size).toBe(121);
    expect(bytes.get("kept", false).state).toBe("ready");
    expect(bytes.get("f0", false).state).toBe("loading");
    expect(bytes.get("f199", false).state).toBe("ready");
  });

  it("are bounded by their size, too", async () => {
    answer = async () => ({ size: 30 * 1024 * 1024 }) as Blob;
    for (const file of ["f1", "f2"]) {
      const over = bytes.need(file, false);
      await settled();
      over();
    }
    expect(alive.size).toBe(1);
  });

  it("say what is gone, and are asked for again where they only could not be had", async () => {
    answer = async (file) => {
      const code = file === "gone" ? "not_found" : "unanswered";
      throw new Problem({ code, message: "", retryable: false });
    };
    bytes.need("gone", false);
    bytes.need("failed", false);
    await settled();
    expect(bytes.get("gone", false).state).toBe("gone");
    expect(bytes.get("failed", false).state).toBe("failed");
    answer = async () => new Blob(["x"]);
    bytes.retry("gone", false);
    bytes.retry("failed", false);
    await settled();
    expect(bytes.get("failed", false).state).toBe("ready");
    expect(asked).toEqual(["gone", "failed", "failed"]);
  });

  it("end with the session, and nothing that comes later stays", async () => {
    bytes.need("f1", false);
    await settled();
    bytes.need("f2", false);
    bytes.clear();
    await settled();
    expect(alive.size).toBe(0);
  });
});
