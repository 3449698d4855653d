/** HeightIndex: heights of many rows, and where each begins, in logarithmic time (a Fenwick tree). */

export class HeightIndex {
  private heights = new Float64Array(64);
  private sums = new Float64Array(65);
  private size = 0;

  get count(): number {
    return this.size;
  }

  get total(): number {
    return this.offsetOf(this.size);
  }

  /** Hold these heights and nothing else. */
  reset(heights: number[]): void {
    this.size = 0;
    this.grow(heights.length);
    this.heights.set(heights);
    this.size = heights.length;
    this.rebuild();
  }

  append(heights: number[]): void {
    this.grow(this.size + heights.length);
    for (const height of heights) {
      const at = this.size;
      this.size += 1;
      this.heights[at] = height;
      // The node of a new end sums what its children hold.
      const node = this.size;
      let sum = height;
      const low = node - (node & -node);
      for (let child = node - 1; child > low; child -= child & -child) sum += this.sums[child] ?? 0;
      this.sums[node] = sum;
    }
  }

  prepend(heights: number[]): void {
    this.grow(this.size + heights.length);
    this.heights.copyWithin(heights.length, 0, this.size);
    this.heights.set(heights);
    this.size += heights.length;
    this.rebuild();
  }

  get(at: number): number {
    return this.heights[at] ?? 0;
  }

  /** Returns whether that is news. */
  set(at: number, height: number): boolean {
    if (at < 0 || at >= this.size) return false;
    const difference = height - this.get(at);
    if (Math.abs(difference) < 0.5) return false;
    this.heights[at] = height;
    for (let node = at + 1; node <= this.size; node += node & -node) {
      this.sums[node] = (this.sums[node] ?? 0) + difference;
    }
    return true;
  }

  /** Where the row begins; of `count` the end of all. */
  offsetOf(at: number): number {
    let sum = 0;
    for (let node = Math.min(Math.max(at, 0), this.size); node > 0; node -= node & -node)
      sum += this.sums[node] ?? 0;
    return sum;
  }

  /** The row at an offset: the first for what is above all, the last for what is below. */
  indexAt(offset: number): number {
    let node = 0;
    let left = offset;
    for (let step = 1 << 30; step > 0; step >>= 1) {
      const next = node + step;
      if (next <= this.size && (this.sums[next] ?? 0) <= left) {
        node = next;
        left -= this.sums[next] ?? 0;
      }
    }
    return Math.max(0, Math.min(node, this.size - 1));
  }

  private grow(size: number): void {
    if (size <= this.heights.length) return;
    const capacity = Math.max(size, this.heights.length * 2);
    const heights = new Float64Array(capacity);
    heights.set(this.heights.subarray(0, this.size));
    const sums = new Float64Array(capacity + 1);
    sums.set(this.sums.subarray(0, this.size + 1));
    this.heights = heights;
    this.sums = sums;
  }

  private rebuild(): void {
    this.sums.fill(0);
    for (let node = 1; node <= this.size; node += 1) {
      this.sums[node] = (this.sums[node] ?? 0) + this.get(node - 1);
      const parent = node + (node & -node);
      if (parent <= this.size) this.sums[parent] = (this.sums[parent] ?? 0) + (this.sums[node] ?? 0);
    }
  }
}
