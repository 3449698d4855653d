/** A room of very many messages and members: nothing jumps, little is drawn, and the figures are told. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { calm, enter, launched, newPage, say, signIn } from "./browser.mjs";
import { Service } from "./service.mjs";

const MESSAGES = Number(process.env.E2E_MESSAGES ?? 5_000);
const MEMBERS = Number(process.env.E2E_MEMBERS ?? 500);
const PYTHON = process.env.E2E_PYTHON ?? new URL("../../../.venv/bin/python", import.meta.url).pathname;
const MOST_DRAWN = 150;

let service;
let browser;
let page;

before(async () => {
  const fill = new URL("big_room.py", import.meta.url).pathname;
  service = await Service.started((env) =>
    execFileSync(PYTHON, [fill, String(MESSAGES), String(MEMBERS)], { env }),
  );
  browser = await launched();
  page = await newPage(browser);
  await signIn(page, service.url, "ada");
  await enter(page, "Crowd");
});
after(async () => {
  await browser?.close();
  await service?.remove();
});

/** Where a message stands on the screen. */
const placeOf = (seq) =>
  page.locator(`[data-seq="${seq}"]`).evaluate((node) => node.getBoundingClientRect().top);
const scrollTo = (top) => page.locator("#messages").evaluate((view, to) => (view.scrollTop = to), top);
const drawn = () => page.locator("#messages [data-seq]").count();

/** The seq of a message in the middle of the view. */
const middle = () =>
  page.locator("#messages").evaluate((view) => {
    const { top, height } = view.getBoundingClientRect();
    const rows = [...view.querySelectorAll("[data-seq]")];
    return Number(rows.find((row) => row.getBoundingClientRect().top > top + height / 3).dataset.seq);
  });

describe("a crowded room", () => {
  it("opens at its end", async () => {
    await page.getByText(`No ${MESSAGES - 1}: `).waitFor();
    const left = await page
      .locator("#messages")
      .evaluate((view) => view.scrollHeight - view.scrollTop - view.clientHeight);
    assert.ok(left < 2, `${left} px below the view`);
  });

  it("does not jump when older messages load above", async () => {
    await scrollTo(700);
    await page.waitForTimeout(100);
    const seq = await middle();
    const before = await placeOf(seq);
    await page.waitForTimeout(1_000);
    assert.ok(Math.abs((await placeOf(seq)) - before) < 2, "the message moved on the screen");
  });

  it("does not jump when messages arrive below, and says how many", async () => {
    const seq = await middle();
    const before = await placeOf(seq);
    const token = await service.token("grace");
    const room = await service.room("Crowd", await service.token("ada"));
    await service.call("POST", `/rooms/${room}/join`, {}, token);
    for (const text of ["one more", "and another"]) {
      await service.call("POST", `/rooms/${room}/messages`, { body: { text } }, token);
    }
    const button = page.getByRole("button", { name: "2 new messages" });
    await button.waitFor();
    assert.ok(Math.abs((await placeOf(seq)) - before) < 2, "the message moved on the screen");
    await button.click();
    await page.getByText("and another").waitFor();
    await button.waitFor({ state: "detached" });
  });

  it("holds all of its messages and draws few", async () => {
    const began = Date.now();
    for (;;) {
      if (await page.getByText("This is the beginning of Crowd").count()) break;
      await scrollTo(0);
      await page.waitForTimeout(20);
    }
    const took = Date.now() - began;
    assert.ok((await drawn()) < MOST_DRAWN, `${await drawn()} rows are drawn`);
    console.log(`# loaded ${MESSAGES} messages in ${took} ms by scrolling up`);
  });

  it("scrolls through all of them", async () => {
    const figures = await page.locator("#messages").evaluate(async (view) => {
      const times = [];
      const until = performance.now() + 4_000;
      let last = performance.now();
      view.scrollTop = 0;
      while (performance.now() < until) {
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        times.push(now - last);
        last = now;
        view.scrollTop += 400;
      }
      times.sort((a, b) => a - b);
      const at = (part) => Math.round((times[Math.floor(times.length * part)] ?? 0) * 10) / 10;
      return { frames: times.length, median: at(0.5), p95: at(0.95), p99: at(0.99), worst: at(0.9999) };
    });
    console.log(`# scrolling 400 px a frame, ms: ${JSON.stringify(figures)}`);
    assert.ok((await drawn()) < MOST_DRAWN);
  });

  it("shows all members and draws few", async () => {
    await page.getByRole("button", { name: "Members", exact: true }).click();
    const members = page.getByRole("complementary");
    await members.getByRole("heading", { name: `${MEMBERS + 1} members` }).waitFor();
    assert.ok((await members.getByRole("listitem").count()) < 60);
    await members.locator(".view").evaluate((view) => (view.scrollTop = view.scrollHeight));
    await members.locator(`li[aria-posinset="${MEMBERS + 1}"]`).waitFor();
  });

  it("still takes a message at once", async () => {
    const began = Date.now();
    await say(page, "written at the end");
    await page.locator("#messages").getByText("written at the end").waitFor();
    console.log(`# a message was on screen after ${Date.now() - began} ms`);
    calm(page);
  });
});
