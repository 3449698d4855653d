/** Tokens are renewed before they end, once for all tabs, and a refused renewal signs out. */
import { beforeEach, describe, expect, it } from "vitest";
import { Problem } from "../src/protocol/problem";
import type { SignedIn } from "../src/protocol/wire";
import { Session, type TokenStorage } from "../src/store/session";
import type { Exclusively } from "../src/store/tabs";
import { FakeClock, settled } from "./fakes";

const user = {
  id: "ua",
  username: "ada",
  name: "Ada",
  kind: "registered",
  admin: false,
  active: true,
} as const;

function signed(nth: number): SignedIn {
  return {
    access_token: `access ${nth}`,
    expires_in: 900,
    refresh_token: `refresh ${nth}`,
    refresh_expires_in: 86_400,
    user,
  };
}

let clock: FakeClock;
let storage: TokenStorage;
let used: string[];
let refresh: (token: string) => Promise<SignedIn>;
let ears: (() => void)[];
let turn: Promise<unknown>;

/** One after the other, as Web Locks do it. */
const exclusively: Exclusively = (_, work) => {
  const mine = turn.then(work);
  turn = mine.catch(() => undefined);
  return mine;
};

beforeEach(() => {
  clock = new FakeClock();
  used = [];
  ears = [];
  turn = Promise.resolve();
  let text: string | null = null;
  storage = {
    read: () => text,
    write: (next) => (text = next),
    listen: (hear) => ears.push(hear),
  };
  refresh = async (token) => {
    used.push(token);
    return signed(used.length + 1);
  };
});

const tab = () => new Session({ storage, clock, exclusively, refresh: (token) => refresh(token) });

describe("a session", () => {
  it("renews its token a minute before it ends, and says so", async () => {
    const session = tab();
    const heard: string[] = [];
    session.renewed = (token) => heard.push(token);
    session.begin(signed(1));
    await clock.pass(839_000);
    expect(used).toEqual([]);
    await clock.pass(2_000);
    expect(used).toEqual(["refresh 1"]);
    expect(heard).toEqual(["access 1", "access 2"]);
    expect(await session.access()).toBe("access 2");
  });

  it("uses a refresh token once, however many tabs and callers ask", async () => {
    const first = tab();
    first.begin(signed(1));
    const second = tab();
    await Promise.all([first.renew(), first.renew(), second.renew(), second.renew()]);
    expect(used).toEqual(["refresh 1"]);
    expect(await first.access()).toBe("access 2");
    expect(await second.access()).toBe("access 2");
  });

  it("goes on where an earlier page left off", async () => {
    tab().begin(signed(1));
    expect(tab().user?.id).toBe("ua");
  });

  it("stays signed in while the service cannot be reached, and tries again", async () => {
    const session = tab();
    session.begin(signed(1));
    const works = refresh;
    refresh = async () => {
      throw Problem.unanswered("The server cannot be reached.");
    };
    await clock.pass(845_000);
    expect(session.user?.id).toBe("ua");
    refresh = works;
    await clock.pass(11_000);
    expect(used).toEqual(["refresh 1"]);
  });

  it("ends where the renewal is refused", async () => {
    const session = tab();
    session.begin(signed(1));
    refresh = async () => {
      throw new Problem({ code: "unauthenticated", message: "Sign in again.", retryable: false });
    };
    await expect(session.renew()).rejects.toThrow("Sign in again.");
    expect(session.user).toBeNull();
    expect(session.ended).toBe(true);
    expect(storage.read()).toBeNull();
  });

  it("ends in all tabs at once", async () => {
    const first = tab();
    first.begin(signed(1));
    const second = tab();
    first.end();
    for (const hear of ears) hear();
    await settled();
    expect(second.user).toBeNull();
  });
});
