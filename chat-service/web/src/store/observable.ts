/** Observable: something whose changes can be listened to, by the contract of Svelte's stores. */

export class Observable {
  private readonly listeners = new Set<(self: this) => void>();
  private pending = false;

  /** Call `run` now and after every change; returns what ends it. */
  subscribe(run: (self: this) => void): () => void {
    this.listeners.add(run);
    run(this);
    return () => this.listeners.delete(run);
  }

  /** Tell the listeners, once for all that changes in this turn: a page of entries is one change. */
  protected changed(): void {
    if (this.pending) return;
    this.pending = true;
    queueMicrotask(() => {
      this.pending = false;
      for (const listener of [...this.listeners]) listener(this);
    });
  }
}
