/** Connection: the state of the one socket, and when the next attempt is made. */
import { Problem } from "../protocol/problem";
import type { Socket, SocketHandlers } from "../protocol/socket";
import type { Notice, ServerEvents } from "../protocol/wire";
import type { Clock } from "./clock";
import { Observable } from "./observable";

export type ConnectionState =
  | { kind: "signed_out" }
  | { kind: "connecting" }
  | { kind: "connected" }
  /** Connected to a server that is about to leave: everything works until the connection is closed. */
  | { kind: "draining" }
  /** Between two attempts; `restarting` where the server announced that it leaves. */
  | { kind: "waiting"; until: number; restarting: boolean }
  /** The machine says that it has no network. */
  | { kind: "offline" };

export interface ConnectionMeans {
  socket: Socket;
  clock: Clock;
  /** A valid access token. Throws Problem. */
  access: () => Promise<string>;
  /** The token was refused although it should be good. Throws Problem. */
  renew: () => Promise<void>;
  event: <K extends keyof ServerEvents>(name: K, payload: ServerEvents[K]) => void;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 20_000;

export class Connection extends Observable {
  state: ConnectionState = { kind: "signed_out" };
  /** Whether this server hears late of what is written on others. */
  late = false;
  private attempt = 0;
  private leaving: Notice | null = null;
  private callOff: () => void = () => undefined;
  /** Counts attempts, so that what an abandoned one brings is ignored. */
  private nth = 0;

  constructor(private readonly means: ConnectionMeans) {
    super();
  }

  get connected(): boolean {
    return this.state.kind === "connected" || this.state.kind === "draining";
  }

  /** Connect, and stay connected until `stop`. */
  start(online: boolean): void {
    this.attempt = 0;
    if (online) void this.connect();
    else this.become({ kind: "offline" });
  }

  stop(): void {
    this.nth += 1;
    this.callOff();
    this.means.socket.close();
    this.become({ kind: "signed_out" });
  }

  /** Do not wait any longer: the network is back, the page is looked at again, or somebody asks. */
  hurry(): void {
    if (this.state.kind !== "waiting" && this.state.kind !== "offline") return;
    this.attempt = 0;
    void this.connect();
  }

  /** The machine says that it lost its network. A socket would notice only after its ping timeout. */
  offline(): void {
    if (this.state.kind === "signed_out") return;
    this.nth += 1;
    this.callOff();
    this.means.socket.close();
    this.become({ kind: "offline" });
  }

  call<T>(event: string, payload: object): Promise<T> {
    return this.means.socket.call<T>(event, payload);
  }

  private async connect(): Promise<void> {
    this.callOff();
    this.nth += 1;
    const nth = this.nth;
    this.become({ kind: "connecting" });
    try {
      const token = await this.means.access();
      if (nth === this.nth) this.means.socket.open(token, this.handlers(nth));
    } catch (thrown) {
      if (nth === this.nth) this.failed(Problem.of(thrown));
    }
  }

  private handlers(nth: number): SocketHandlers {
    const current = () => nth === this.nth;
    return {
      opened: () => {
        if (!current()) return;
        this.attempt = 0;
        this.leaving = null;
        this.late = false;
        this.become({ kind: "connected" });
      },
      refused: (problem) => {
        if (current()) void this.refused(problem, nth);
      },
      closed: (kicked) => {
        if (!current()) return;
        // Whoever is told to go has a session that ended, or will learn at the next attempt that it did not.
        if (kicked) this.attempt += 1;
        this.wait();
      },
      event: (name, payload) => {
        if (!current()) return;
        if (name === "notice") this.notice(payload as Notice);
        this.means.event(name, payload);
      },
    };
  }

  private async refused(problem: Problem, nth: number): Promise<void> {
    if (problem.code !== "unauthenticated") {
      this.failed(problem);
      return;
    }
    try {
      await this.means.renew();
      if (nth === this.nth) this.wait();
    } catch (thrown) {
      if (nth === this.nth) this.failed(Problem.of(thrown));
    }
  }

  private failed(problem: Problem): void {
    if (problem.code === "unauthenticated") this.stop();
    else this.wait(problem.retry_after_ms);
  }

  private notice(notice: Notice): void {
    if (notice.kind === "health") {
      this.late = notice.down?.includes("bus") ?? false;
      this.changed();
    }
    if (notice.kind !== "draining" && notice.kind !== "shutdown") return;
    this.leaving = notice;
    this.become({ kind: "draining" });
  }

  private wait(atLeast = 0): void {
    const { clock } = this.means;
    const ceiling = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.attempt);
    // Everybody lost the connection at the same time: they must not come back at the same time.
    let wait = Math.max(atLeast, ceiling / 2 + (ceiling / 2) * clock.random());
    const restarting = this.leaving !== null;
    if (this.leaving !== null && this.attempt === 0) {
      wait = Math.max(
        wait,
        (this.leaving.reconnect_after_ms ?? 0) + clock.random() * (this.leaving.jitter_ms ?? 0),
      );
    }
    this.attempt += 1;
    this.become({ kind: "waiting", until: clock.now() + wait, restarting });
    this.callOff();
    this.callOff = clock.later(wait, () => void this.connect());
  }

  private become(state: ConnectionState): void {
    this.state = state;
    this.changed();
  }
}
