/** Search: what was looked for, and the pages of what was found. */
import { Problem } from "../protocol/problem";
import type { Rest } from "../protocol/rest";
import type { Hit } from "../protocol/wire";
import type { Clock } from "./clock";
import { Observable } from "./observable";
import { pause } from "./retrying";

export interface SearchMeans {
  rest: Pick<Rest, "search">;
  clock: Clock;
}

const LONGEST_WAIT_MS = 10_000;
/** How often a search waits by itself for what passes; then somebody has to ask again. */
const TRIES = 4;

export class Search extends Observable {
  query = "";
  hits: readonly Hit[] = [];
  /** Whether a page was asked for and has not come. */
  loading = false;
  /** Whether the first page of this query came. */
  answered = false;
  problem: Problem | null = null;
  private next: string | null = null;
  /** Counts queries: what an earlier one brings is ignored. */
  private nth = 0;
  private callOff: () => void = () => undefined;

  constructor(private readonly means: SearchMeans) {
    super();
  }

  /** Whether there is more than what is held. */
  get more(): boolean {
    return this.next !== null;
  }

  /** Look for something else, or for the same once more; nothing is held of a query that is blank. */
  look(query: string): void {
    this.callOff();
    this.nth += 1;
    this.query = query;
    this.hits = [];
    this.next = null;
    this.answered = false;
    this.problem = null;
    this.loading = false;
    if (query.trim() === "") this.changed();
    else void this.load(null, 1);
  }

  /** Load the next page. */
  loadMore(): void {
    if (this.next !== null && !this.loading) void this.load(this.next, 1);
  }

  /** Ask again for what did not come. */
  again(): void {
    if (this.problem !== null && !this.loading) void this.load(this.next, 1);
  }

  private async load(before: string | null, attempt: number): Promise<void> {
    const { nth, query } = this;
    this.loading = true;
    this.problem = null;
    this.changed();
    try {
      const page = await this.means.rest.search(query, before);
      if (nth !== this.nth) return;
      this.hits = [...this.hits, ...page.hits];
      this.next = page.next;
      this.answered = true;
      this.loading = false;
    } catch (thrown) {
      if (nth !== this.nth) return;
      this.failed(Problem.of(thrown), before, attempt);
    }
    this.changed();
  }

  private failed(problem: Problem, before: string | null, attempt: number): void {
    if (problem.retryable && attempt < TRIES) {
      const wait = pause(attempt, LONGEST_WAIT_MS, this.means.clock, problem.retry_after_ms);
      this.callOff = this.means.clock.later(wait, () => void this.load(before, attempt + 1));
      return;
    }
    this.loading = false;
    this.problem = problem;
  }
}
