/** FileBytes: the bytes of files that are shown, each fetched once, as addresses that end when nobody needs them. */
import { Problem } from "../protocol/problem";
import { Observable } from "./observable";

export type Held =
  | { readonly state: "loading" }
  | { readonly state: "ready"; readonly url: string; readonly blob: Blob }
  /** Deleted, or never for this reader. */
  | { readonly state: "gone" }
  | { readonly state: "failed"; readonly problem: Problem };

export interface ByteMeans {
  /** Throws Problem. */
  bytes: (file: string, thumbnail: boolean) => Promise<Blob>;
  /** Blob addresses: URL in a page. */
  urls: { createObjectURL(blob: Blob): string; revokeObjectURL(url: string): void };
}

/** What is kept of bytes that are not shown at the moment. */
const MOST_BYTES = 48 * 1024 * 1024;
const MOST_FILES = 120;

interface Kept {
  held: Held;
  users: number;
}

const LOADING: Held = { state: "loading" };

export class FileBytes extends Observable {
  /** In the order of use: the longest unused first. */
  private readonly kept = new Map<string, Kept>();

  constructor(private readonly means: ByteMeans) {
    super();
  }

  /** Need the bytes until the returned function is called. */
  need(file: string, thumbnail: boolean): () => void {
    const name = nameOf(file, thumbnail);
    const kept = this.kept.get(name) ?? { held: LOADING, users: 0 };
    const fresh = !this.kept.has(name) || (kept.users === 0 && kept.held.state === "failed");
    kept.users += 1;
    this.kept.delete(name);
    this.kept.set(name, kept);
    if (fresh) void this.load(file, thumbnail, kept);
    let needed = true;
    return () => {
      if (!needed) return;
      needed = false;
      kept.users -= 1;
      this.trim();
    };
  }

  get(file: string, thumbnail: boolean): Held {
    return this.kept.get(nameOf(file, thumbnail))?.held ?? LOADING;
  }

  /** The bytes for something else than showing them: they are not kept. Throws Problem. */
  async blob(file: string): Promise<Blob> {
    const held = this.get(file, false);
    return held.state === "ready" ? held.blob : this.means.bytes(file, false);
  }

  /** Fetch again what could not be fetched. */
  retry(file: string, thumbnail: boolean): void {
    const kept = this.kept.get(nameOf(file, thumbnail));
    if (kept?.held.state === "failed") void this.load(file, thumbnail, kept);
  }

  /** Everything goes, also what is shown. */
  clear(): void {
    for (const name of [...this.kept.keys()]) this.forget(name);
  }

  private async load(file: string, thumbnail: boolean, kept: Kept): Promise<void> {
    kept.held = LOADING;
    this.changed();
    try {
      const blob = await this.means.bytes(file, thumbnail);
      if (this.kept.get(nameOf(file, thumbnail)) !== kept) return;
      kept.held = { state: "ready", url: this.means.urls.createObjectURL(blob), blob };
    } catch (thrown) {
      const problem = Problem.of(thrown);
      const gone = problem.code === "not_found" || problem.code === "forbidden";
      kept.held = gone ? { state: "gone" } : { state: "failed", problem };
    }
    this.trim();
    this.changed();
  }

  private trim(): void {
    const unused = [...this.kept].filter(([, { users, held }]) => users === 0 && held.state !== "loading");
    let bytes = unused.reduce((sum, [, { held }]) => sum + sizeOf(held), 0);
    let files = unused.length;
    for (const [name, { held }] of unused) {
      if (bytes <= MOST_BYTES && files <= MOST_FILES) return;
      bytes -= sizeOf(held);
      files -= 1;
      this.forget(name);
    }
  }

  private forget(name: string): void {
    const held = this.kept.get(name)?.held;
    this.kept.delete(name);
    if (held?.state === "ready") this.means.urls.revokeObjectURL(held.url);
  }
}

const nameOf = (file: string, thumbnail: boolean): string => (thumbnail ? `${file}.thumbnail` : file);
const sizeOf = (held: Held): number => (held.state === "ready" ? held.blob.size : 0);
