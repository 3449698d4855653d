/** Socket: one connection of protocol v1 over Socket.IO, without its own reconnecting. */
import { io, type Socket as IoSocket } from "socket.io-client";
import { Problem, problemIn } from "./problem";
import type { ServerEvents } from "./wire";

export interface SocketHandlers {
  /** The connection stands and is signed in. */
  opened: () => void;
  /** It could not be made. */
  refused: (problem: Problem) => void;
  /** It is over; `kicked` where the server said so rather than the network. */
  closed: (kicked: boolean) => void;
  event: <K extends keyof ServerEvents>(name: K, payload: ServerEvents[K]) => void;
}

/** What a connection is to those who use it: the store's tests have their own. */
export interface Socket {
  open(token: string, handlers: SocketHandlers): void;
  close(): void;
  /** Send an event and wait for its acknowledgement. Throws Problem. */
  call<T>(event: string, payload: object): Promise<T>;
}

const EVENTS = [
  "entry",
  "unread",
  "typing",
  "presence",
  "read",
  "preferences",
  "person",
  "rooms",
  "notice",
] as const;
const ACK_TIMEOUT_MS = 15_000;

interface RefusedConnect extends Error {
  data?: unknown;
}

export class SocketIoSocket implements Socket {
  private live: IoSocket | null = null;

  constructor(private readonly origin: string) {}

  open(token: string, handlers: SocketHandlers): void {
    this.close();
    // The WebSocket first: it is one request less, and polling remains where a proxy forbids it.
    const socket = io(`${this.origin}/chat`, {
      auth: { token },
      forceNew: true,
      reconnection: false,
      timeout: 10_000,
      transports: ["websocket", "polling"],
      tryAllTransports: true,
    });
    this.live = socket;
    const current = () => this.live === socket;
    socket.on("connect", () => current() && handlers.opened());
    socket.on("connect_error", (error: RefusedConnect) => {
      if (!current()) return;
      this.close();
      const unreachable = { code: "unanswered", message: "The server cannot be reached.", retryable: true };
      handlers.refused(problemIn({ error: error.data }, unreachable));
    });
    socket.on("disconnect", (reason) => {
      if (!current()) return;
      this.close();
      handlers.closed(reason === "io server disconnect");
    });
    for (const name of EVENTS) {
      socket.on(name, (payload) => current() && handlers.event(name, payload));
    }
  }

  close(): void {
    const socket = this.live;
    this.live = null;
    socket?.disconnect();
  }

  async call<T>(event: string, payload: object): Promise<T> {
    const socket = this.live;
    if (!socket?.connected) throw Problem.unanswered("There is no connection.");
    let answer: { ok: boolean };
    try {
      answer = await socket.timeout(ACK_TIMEOUT_MS).emitWithAck(event, payload);
    } catch {
      throw Problem.unanswered("The server did not answer in time.");
    }
    if (answer.ok) return answer as T;
    throw problemIn(answer, { code: "internal", message: "The server failed at this.", retryable: true });
  }
}
