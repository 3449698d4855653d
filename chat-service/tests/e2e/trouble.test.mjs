/** What people are told when the server can do less than usual, and that nothing is lost by it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { calm, enter, launched, message, newPage, once, say, signIn, told } from "./browser.mjs";
import { Service } from "./service.mjs";

const PYTHON = process.env.E2E_PYTHON ?? new URL("../../../.venv/bin/python", import.meta.url).pathname;
/** Holds the store's one write lock until its input ends, as a stuck process would. */
const HOLD = `
import sqlite3, sys
store = sqlite3.connect(sys.argv[1] + "/chat.db", isolation_level=None, timeout=30)
store.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
store.execute("ROLLBACK")
`;

let service;
let browser;
let page;

before(async () => {
  service = await Service.started();
  browser = await launched();
  page = await newPage(browser);
  await signIn(page, service.url, "ada");
  await enter(page, "Engineering");
});
after(async () => {
  await browser?.close();
  await service?.remove();
});

async function storeHeld() {
  const holder = spawn(PYTHON, ["-c", HOLD, service.folder], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [first] = await Promise.race([
    new Promise((resolve) => holder.stdout.once("data", (data) => resolve([String(data)]))),
    new Promise((resolve) => holder.once("exit", () => resolve(["it ended"]))),
  ]);
  assert.match(first, /held/);
  return async () => {
    const ended = new Promise((resolve) => holder.once("exit", resolve));
    holder.stdin.end();
    await ended;
  };
}

describe("a store that takes nothing", () => {
  it("leaves reading as it was, keeps what is written, and sends it when it can, in order", async () => {
    const release = await storeHeld();
    try {
      await say(page, "written while it was stuck");
      await say(page, "and this behind it");
      await told(page, "Reading works, sending does not right now");
      assert.equal(await page.getByText("Not sent.").count(), 0);
      await enter(page, "General");
      await message(page, "The nightly build is green").first().waitFor();
      await enter(page, "Engineering");
      await page.reload();
      await page.locator("#messages[aria-busy=false]").waitFor();
      await page.getByText("written while it was stuck").waitFor();
    } finally {
      await release();
    }
    await page.locator("#messages [data-seq]").filter({ hasText: "and this behind it" }).waitFor();
    await once(page, "written while it was stuck");
    await once(page, "and this behind it");
    const texts = await page.locator("#messages").innerText();
    assert.ok(
      texts.indexOf("written while it was stuck") < texts.indexOf("and this behind it"),
      "in the order written",
    );
    await page.getByText("Reading works, sending does not").first().waitFor({ state: "detached" });
    calm(page);
  });
});
