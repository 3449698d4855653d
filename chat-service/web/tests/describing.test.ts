/** Files as they are described: names that cannot play tricks, sizes that reserve the right space. */
import { describe, expect, it } from "vitest";
import type { FileView } from "../src/protocol/wire";
import { read, roomPath, threadPath } from "../src/ui/navigation";
import { halves, isRightToLeft, isShown, kindOf, shownName, shownSize } from "../src/ui/files/describing";

const image: FileView = {
  id: "f",
  name: "a.png",
  type: "image/png",
  size: 10,
  width: 2_000,
  height: 1_000,
  thumbnail: true,
};

describe("a file's name", () => {
  it("shows what would turn it around or hide", () => {
    expect(shownName("photo\u202egnp.exe")).toBe("photo\ufffdgnp.exe");
    expect(shownName("a\nb\u2066c\u200bd\u0000")).toBe("a\ufffdb\ufffdc\ufffdd\ufffd");
    expect(shownName("<img src=x onerror=1>.png")).toBe("<img src=x onerror=1>.png");
    expect(shownName("ملف.pdf")).toBe("ملف.pdf");
  });

  it("is cut in its middle, never through a letter, and loses nothing", () => {
    expect(halves("short.txt")).toEqual(["short.txt", ""]);
    const long = "the quarterly report of last year, final version 👩‍👩‍👧.pdf";
    const [head, tail] = halves(long);
    expect(head + tail).toBe(long);
    expect(tail).toMatch(/👩‍👩‍👧\.pdf$/u);
  });
});

it("a name's direction is that of its first letter", () => {
  expect(["a.pdf", "12 ملف.pdf", "דוח.txt", "123", "éא"].map(isRightToLeft)).toEqual([
    false,
    true,
    true,
    false,
    false,
  ]);
});

describe("a file", () => {
  it("is shown as an image where the service says what it is and how large", () => {
    expect(isShown(image)).toBe(true);
    expect(isShown({ ...image, type: "image/svg+xml" })).toBe(false);
    expect(isShown({ ...image, width: undefined } as unknown as FileView)).toBe(false);
    expect(isShown({ ...image, thumbnail: false, size: 9_000_000 })).toBe(false);
  });

  it("keeps its form within the space it gets", () => {
    expect(shownSize(image, true)).toEqual({ width: 360, height: 180 });
    expect(shownSize({ ...image, width: 100, height: 80 }, true)).toEqual({ width: 100, height: 80 });
    expect(shownSize({ ...image, width: 10_000, height: 10 }, true)).toEqual({ width: 360, height: 48 });
    expect(shownSize(image, false)).toEqual({ width: 248, height: 160 });
    expect(shownSize({ ...image, width: 10, height: 900 }, false)).toEqual({ width: 96, height: 160 });
  });

  it("is called by its kind", () => {
    const kinds = ["image/png", "application/pdf", "application/zip", "text/plain", "application/x-thing"];
    expect(kinds.map(kindOf)).toEqual(["image", "pdf", "archive", "text", "other"]);
  });
});

describe("the address of a thread", () => {
  it("is read as it is written, and nothing else is", () => {
    const room = "caaaaaaaaaaaaaaaaaaaaa";
    const address = new URL(threadPath(room, 12), "http://localhost");
    expect(read(address.pathname, address.hash)).toEqual({ kind: "room", room, thread: 12 });
    for (const hash of ["#thread-0", "#thread-x", "#composer", "#thread-1e9"]) {
      expect(read(roomPath(room), hash)).toEqual({ kind: "room", room });
    }
  });
});
