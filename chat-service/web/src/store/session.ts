/** Session: who is signed in here, and tokens that are renewed before they end, by one tab at a time. */
import { Problem } from "../protocol/problem";
import type { Person, SignedIn } from "../protocol/wire";
import type { Clock } from "./clock";
import { Observable } from "./observable";
import type { Exclusively } from "./tabs";

interface Tokens {
  access: string;
  /** By this machine's clock, in milliseconds. */
  access_ends: number;
  refresh: string;
  refresh_ends: number;
  user: Person;
}

/** Where tokens are kept for all tabs; `listen` hears of what other tabs do to them. */
export interface TokenStorage {
  read(): string | null;
  write(text: string | null): void;
  listen(hear: () => void): void;
}

export interface SessionMeans {
  storage: TokenStorage;
  clock: Clock;
  exclusively: Exclusively;
  refresh: (refresh_token: string) => Promise<SignedIn>;
}

/** A token is renewed this long before it ends, or at half its life where that is shorter. */
const EARLY_MS = 60_000;
const AGAIN_MS = 10_000;

export class Session extends Observable {
  private tokens: Tokens | null = null;
  private renewing: Promise<void> | null = null;
  private callOff: () => void = () => undefined;
  /** Whether the last session ended otherwise than by signing out here. */
  ended = false;
  /** Told of every new access token. */
  renewed: (access: string) => void = () => undefined;

  constructor(private readonly means: SessionMeans) {
    super();
    this.tokens = this.stored();
    this.plan();
    means.storage.listen(() => this.look());
  }

  get user(): Person | null {
    return this.tokens?.user ?? null;
  }

  /** Begin with what signing in answered. */
  begin(signed: SignedIn): void {
    this.ended = false;
    this.hold(this.dated(signed), true);
  }

  /** End it here and in all tabs. */
  end(ended = false): void {
    this.ended = ended;
    this.hold(null, true);
  }

  /** The person's profile changed. */
  setUser(user: Person): void {
    if (this.tokens !== null) this.hold({ ...this.tokens, user }, true);
  }

  /** An access token that is good for a while. Throws Problem. */
  async access(): Promise<string> {
    if (this.tokens !== null && this.tokens.access_ends - this.means.clock.now() < 5_000) await this.renew();
    if (this.tokens === null) throw signedOut();
    return this.tokens.access;
  }

  /** Exchange the tokens now; however many ask, it is done once. Throws Problem. */
  renew(): Promise<void> {
    this.renewing ??= this.means
      .exclusively("chat-session", () => this.exchange())
      .finally(() => (this.renewing = null));
    return this.renewing;
  }

  private async exchange(): Promise<void> {
    const held = this.tokens;
    if (held === null) throw signedOut();
    // While this tab waited for its turn another one may have done it: a refresh token is good once.
    const stored = this.stored();
    if (stored === null || stored.refresh !== held.refresh) {
      this.hold(stored, false);
      if (stored !== null) return;
      throw signedOut();
    }
    try {
      this.hold(this.dated(await this.means.refresh(held.refresh)), true);
    } catch (thrown) {
      const problem = Problem.of(thrown);
      if (!problem.retryable) this.end(true);
      throw problem;
    }
  }

  private look(): void {
    const stored = this.stored();
    if (stored?.access === this.tokens?.access && stored?.user.name === this.tokens?.user.name) return;
    this.hold(stored, false);
  }

  private hold(tokens: Tokens | null, write: boolean): void {
    const renewed = tokens !== null && tokens.access !== this.tokens?.access;
    this.tokens = tokens;
    if (write) this.means.storage.write(tokens === null ? null : JSON.stringify(tokens));
    this.plan();
    this.changed();
    if (renewed) this.renewed(tokens.access);
  }

  private plan(again?: number): void {
    this.callOff();
    if (this.tokens === null) return;
    const left = this.tokens.access_ends - this.means.clock.now();
    const wait = again ?? Math.max(0, left - Math.min(EARLY_MS, left / 2));
    this.callOff = this.means.clock.later(wait, () => {
      this.renew().catch((thrown: unknown) => {
        if (Problem.of(thrown).retryable) this.plan(AGAIN_MS);
      });
    });
  }

  private stored(): Tokens | null {
    try {
      const tokens = JSON.parse(this.means.storage.read() ?? "null") as Tokens | null;
      return tokens !== null && tokens.refresh_ends > this.means.clock.now() ? tokens : null;
    } catch {
      return null;
    }
  }

  private dated(signed: SignedIn): Tokens {
    const now = this.means.clock.now();
    return {
      access: signed.access_token,
      access_ends: now + signed.expires_in * 1000,
      refresh: signed.refresh_token,
      refresh_ends: now + signed.refresh_expires_in * 1000,
      user: signed.user,
    };
  }
}

function signedOut(): Problem {
  return new Problem({ code: "unauthenticated", message: "You are signed out.", retryable: false });
}

const NAME = "chat.session";

/** localStorage, shared by the tabs of this browser. */
export const browserTokens: TokenStorage = {
  read: () => localStorage.getItem(NAME),
  write: (text) => (text === null ? localStorage.removeItem(NAME) : localStorage.setItem(NAME, text)),
  listen: (hear) => addEventListener("storage", (event) => event.key === NAME && hear()),
};
