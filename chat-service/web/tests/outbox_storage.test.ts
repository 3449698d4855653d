/** What is written survives a reload, in IndexedDB or without it. */
import "fake-indexeddb/auto";
import { describe, expect, it } from "vitest";
import type { Item } from "../src/store/outbox";
import { LocalStorage, outboxStorage } from "../src/store/outbox_storage";

const item: Item = {
  key: "k1",
  user: "ua",
  room: "r",
  write: {
    kind: "send",
    text: "hello",
    files: [{ id: "f1", name: "a.png", type: "image/png", size: 1, width: 2, height: 3, thumbnail: true }],
    thread: 7,
  },
  at: 1,
  nth: 1,
  state: "waiting",
};

function memory(): Storage {
  const held: Record<string, unknown> = {};
  const methods = {
    getItem: (name: string) => (held[name] as string | undefined) ?? null,
    setItem: (name: string, value: string) => void (held[name] = value),
    removeItem: (name: string) => void Reflect.deleteProperty(held, name),
  };
  return Object.setPrototypeOf(held, methods) as Storage;
}

describe.each([
  ["IndexedDB", outboxStorage],
  ["localStorage", async () => new LocalStorage(memory())],
])("%s", (_, open) => {
  it("keeps each person's items until they are removed", async () => {
    const storage = await open();
    await storage.put(item);
    await storage.put({ ...item, key: "k2", user: "ub" });
    await storage.put({ ...item, state: "failed" });
    expect(await storage.load("ua")).toEqual([{ ...item, state: "failed" }]);
    await storage.remove("k1");
    expect(await storage.load("ua")).toEqual([]);
    expect(await storage.load("ub")).toHaveLength(1);
  });
});
