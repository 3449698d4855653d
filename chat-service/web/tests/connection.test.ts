/** The connection comes back by itself, says truthfully where it is, and knows when not to hurry. */
import { beforeEach, describe, expect, it } from "vitest";
import { Problem } from "../src/protocol/problem";
import { Connection } from "../src/store/connection";
import { FakeClock, FakeSocket, settled } from "./fakes";

let clock: FakeClock;
let socket: FakeSocket;
let renewals: number;
let connection: Connection;
let renew: () => Promise<void>;

beforeEach(async () => {
  clock = new FakeClock();
  socket = new FakeSocket();
  renewals = 0;
  renew = async () => undefined;
  connection = new Connection({
    socket,
    clock,
    access: async () => "token",
    renew: () => {
      renewals += 1;
      return renew();
    },
    event: () => undefined,
  });
  connection.start(true);
  await settled();
});

const unreachable = Problem.unanswered("The server cannot be reached.");

describe("a connection", () => {
  it("says what it does", () => {
    expect(connection.state.kind).toBe("connecting");
    socket.handlers.opened();
    expect(connection.state.kind).toBe("connected");
  });

  it("waits longer after every attempt that failed, and says until when", async () => {
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      socket.handlers.refused(unreachable);
      if (connection.state.kind !== "waiting") throw new Error(`it is ${connection.state.kind}`);
      waits.push(connection.state.until - clock.now());
      await clock.pass(25_000);
    }
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(waits.at(-1)).toBeLessThanOrEqual(20_000);
    expect(socket.opened).toHaveLength(9);
  });

  it("comes back at once when the network does", async () => {
    socket.handlers.opened();
    connection.offline();
    expect(connection.state.kind).toBe("offline");
    await clock.pass(60_000);
    expect(socket.opened).toHaveLength(1);
    connection.hurry();
    await settled();
    expect(socket.opened).toHaveLength(2);
  });

  it("uses a connection to a leaving server until it is closed, then returns when it was told to", async () => {
    socket.handlers.opened();
    socket.handlers.event("notice", { kind: "draining", reconnect_after_ms: 3_000, jitter_ms: 4_000 });
    expect(connection.state.kind).toBe("draining");
    expect(connection.connected).toBe(true);
    socket.handlers.closed(false);
    expect(connection.state).toMatchObject({ kind: "waiting", restarting: true, until: clock.now() + 5_000 });
    await clock.pass(4_900);
    expect(socket.opened).toHaveLength(1);
    await clock.pass(200);
    expect(socket.opened).toHaveLength(2);
    socket.handlers.opened();
    expect(connection.state.kind).toBe("connected");
  });

  it("waits as long as the server asks", async () => {
    const full = { code: "rate_limited", message: "", retryable: true, retry_after_ms: 10_000 };
    socket.handlers.refused(new Problem(full));
    await clock.pass(9_900);
    expect(socket.opened).toHaveLength(1);
    await clock.pass(200);
    expect(socket.opened).toHaveLength(2);
  });

  it("renews a token that is refused, and is signed out where it cannot", async () => {
    const invalid = new Problem({ code: "unauthenticated", message: "", retryable: false });
    socket.handlers.refused(invalid);
    await clock.pass(1_000);
    expect(renewals).toBe(1);
    expect(socket.opened).toHaveLength(2);
    renew = async () => {
      throw invalid;
    };
    socket.handlers.refused(invalid);
    await settled();
    expect(connection.state.kind).toBe("signed_out");
  });

  it("ignores what an abandoned attempt brings", async () => {
    const abandoned = socket.handlers;
    connection.offline();
    abandoned.opened();
    expect(connection.state.kind).toBe("offline");
    connection.stop();
    await clock.pass(60_000);
    expect(socket.opened).toHaveLength(1);
  });
});
