/** Two people chat through HAProxy while each node of a stack is killed in turn. Run by `make stack-test`. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { calm, enter, launched, newPage, once, say } from "./browser.mjs";

const URL = process.env.E2E_URL;
const NODES = process.env.E2E_NODES.split(" ");
const HEALTHY_MS = 120_000;

const docker = (...words) => execFileSync("docker", words, { encoding: "utf8" }).trim();
const health = (node) => docker("inspect", "--format", "{{.State.Health.Status}}", node);

async function healthy(node) {
  const until = Date.now() + HEALTHY_MS;
  while (health(node) !== "healthy") {
    assert.ok(Date.now() < until, `${node} did not become healthy`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

async function call(method, path, body, token) {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${URL}/api/v1${path}`, { method, headers, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
}

async function registered(page, name) {
  await page.goto(`${URL}/app`);
  await page.getByRole("button", { name: "Create account" }).click();
  await page.getByLabel("Username").fill(name);
  await page.getByLabel("Password").fill("correct horse battery staple");
  await page.getByRole("button", { name: "Create account" }).first().click();
  await page.getByRole("navigation", { name: "Rooms" }).waitFor();
}

describe("two people at a stack", () => {
  const tag = randomBytes(4).toString("hex");
  let browser;
  let ada;
  let grace;

  before(async () => {
    const { access_token: token } = await call("POST", "/auth/register", {
      username: `host-${tag}`,
      password: "correct horse battery staple",
    });
    const { room } = await call("POST", "/rooms", { name: `Tea ${tag}`, visibility: "public" }, token);
    browser = await launched();
    [ada, grace] = [await newPage(browser), await newPage(browser)];
    for (const [page, name] of [
      [ada, `ada-${tag}`],
      [grace, `grace-${tag}`],
    ]) {
      await registered(page, name);
      const { users } = await call("GET", `/users?q=${name}`, undefined, token);
      await call("POST", `/rooms/${room}/members`, { user: users[0].id }, token);
      await enter(page, `Tea ${tag}`);
    }
  });
  after(() => browser?.close());

  it("see what the other writes", async () => {
    await say(ada, "from ada");
    await once(grace, "from ada");
    await say(grace, "from grace");
    await once(ada, "from grace");
  });

  for (const [number, node] of NODES.entries()) {
    it(`lose nothing when node ${number + 1} is killed`, async () => {
      for (const page of [ada, grace]) page.setDefaultTimeout(60_000);
      docker("kill", node);
      await say(ada, `ada without ${number}`);
      await say(grace, `grace without ${number}`);
      for (const page of [ada, grace]) {
        await once(page, `ada without ${number}`);
        await once(page, `grace without ${number}`);
      }
      docker("start", node);
      await healthy(node);
      await say(ada, `ada with ${number} again`);
      await once(grace, `ada with ${number} again`);
    });
  }

  it("never see a complaint of their browser", () => calm(ada, grace));
});
