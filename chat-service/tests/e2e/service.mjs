/** A real service for the browser tests: started, stopped, killed and started again on the same data. */
import { spawn, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = new URL("../../../", import.meta.url).pathname;
const COMMAND = process.env.E2E_SERVICE ?? join(ROOT, ".venv/bin/chat-service");
const READY_MS = 20_000;

/** Settings under which a test neither waits nor meets a limit. */
const SETTINGS = {
  CHAT_METRICS_PORT: "0",
  CHAT_DRAIN_NOTICE_S: "1",
  CHAT_DRAIN_CLOSE_S: "1",
  CHAT_LOG_LEVEL: "warning",
  CHAT_RATE_SEND_PER_USER: "1000000/s",
  CHAT_RATE_SEND_PER_ROOM: "1000000/s",
  CHAT_RATE_REST_PER_ADDRESS: "1000000/s",
};

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class Service {
  /** On data of its own: the demo, and whatever `fill` puts in before; with these settings changed. */
  static async started(fill = () => undefined, settings = {}) {
    const service = new Service(await freePort(), mkdtempSync(join(tmpdir(), "chat-e2e-")), settings);
    fill(service.env);
    execFileSync(COMMAND, ["admin", "demo"], { env: service.env, stdio: "ignore" });
    await service.start();
    return service;
  }

  constructor(port, folder, settings) {
    this.url = `http://127.0.0.1:${port}`;
    this.folder = folder;
    this.env = { ...process.env, ...SETTINGS, ...settings, CHAT_PORT: String(port), CHAT_DATA_DIR: folder };
  }

  async start() {
    this.process = spawn(COMMAND, ["serve"], { env: this.env, stdio: ["ignore", "inherit", "inherit"] });
    const until = Date.now() + READY_MS;
    while (Date.now() < until) {
      const answer = await fetch(`${this.url}/readyz`).catch(() => null);
      if (answer?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the service was not ready within ${READY_MS} ms`);
  }

  /** End the process by a signal and wait until it has. */
  async end(signal) {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill(signal);
    await ended;
  }

  async remove() {
    await this.end("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Ask REST, as whoever's token it is. */
  async call(method, path, body, token) {
    const headers = {
      "Content-Type": "application/json",
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
    };
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await fetch(`${this.url}/api/v1${path}`, { method, headers, ...content });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? null : answer.json();
  }

  async token(username) {
    return (await this.call("POST", "/auth/sign-in", { username, password: "demo-demo-demo" })).access_token;
  }

  async room(name, token) {
    return (await this.call("GET", "/rooms", undefined, token)).rooms.find((room) => room.name === name).room;
  }
}
