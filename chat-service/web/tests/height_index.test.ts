/** Offsets and positions are those of a plain sum, whatever was appended, prepended and measured. */
import { describe, expect, it } from "vitest";
import { HeightIndex } from "../src/ui/room/height_index";
import { dice } from "./fakes";

describe("heights", () => {
  it.each([1, 2, 3, 4, 5])("agree with a plain sum (%i)", (seed) => {
    const roll = dice(seed);
    const index = new HeightIndex();
    let plain: number[] = [];
    const some = () => Array.from({ length: roll(40) }, () => 20 + roll(200));
    for (let step = 0; step < 60; step += 1) {
      const heights = some();
      const act = roll(8);
      if (act === 0) index.reset((plain = heights));
      else if (act < 3) index.prepend(((plain = [...heights, ...plain]), heights));
      else if (act < 5) index.append(((plain = [...plain, ...heights]), heights));
      else if (plain.length > 0) {
        const at = roll(plain.length);
        plain = plain.with(at, 10 + roll(300));
        index.set(at, plain[at] ?? 0);
      }
      expect(index.count).toBe(plain.length);
      const upto = roll(plain.length + 1);
      const sum = plain.slice(0, upto).reduce((one, other) => one + other, 0);
      expect(index.offsetOf(upto)).toBe(sum);
      if (upto < plain.length) expect(index.indexAt(sum + 1)).toBe(upto);
    }
  });

  it("finds its way in a hundred thousand rows", () => {
    const index = new HeightIndex();
    index.reset(Array.from({ length: 100_000 }, () => 50));
    index.prepend([10, 10]);
    expect(index.total).toBe(5_000_020);
    expect(index.indexAt(2_500_020)).toBe(50_002);
    expect(index.indexAt(1e9)).toBe(100_001);
    expect(index.indexAt(-5)).toBe(0);
  });
});
