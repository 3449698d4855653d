/** Searching: what is found, how it is come by, and the way from it to where it was said. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  act,
  calm,
  checkAccess,
  DESKTOP,
  enter,
  launched,
  message,
  newPage,
  once,
  PHONE,
  say,
  signIn,
} from "./browser.mjs";
import { Service } from "./service.mjs";

const FAR_BACK = 260;
let service;
let browser;
let room;

before(async () => {
  service = await Service.started();
  browser = await launched();
  const [ada, grace] = [await service.token("ada"), await service.token("grace")];
  room = await service.room("Reading", ada);
  const post = (text, token, more = {}) =>
    service.call("POST", `/rooms/${room}/messages`, { body: { text, ...more } }, token);
  const { seq } = await post("A *moonlit* question about <b>green tea</b>", grace);
  await post("and a moonlit answer in its thread", ada, { thread: seq });
  for (let nth = 0; nth < FAR_BACK; nth += 1) await post(`page ${nth} of the paper`, nth % 4 ? ada : grace);
});
after(async () => {
  await browser?.close();
  await service?.remove();
});

const field = (page) => page.getByRole("searchbox", { name: "Search messages" });
const hits = (page) => page.getByRole("article");

async function look(page, query) {
  await field(page).fill(query);
  await page.getByRole("button", { name: "Search", exact: true }).click();
}

/** The index takes what is said a moment later. */
async function found(page, query, text) {
  for (let tries = 0; tries < 40; tries += 1) {
    await look(page, query);
    await page
      .getByRole("status")
      .filter({ hasText: /found|newest|Nothing was/ })
      .waitFor({ state: "attached" });
    if (await hits(page).filter({ hasText: text }).count()) return;
    await page.waitForTimeout(250);
  }
  assert.fail(`${text} is not found by ${query}`);
}

for (const [where, device] of [
  ["at a desk", DESKTOP],
  ["at phone width, by touch", PHONE],
]) {
  describe(`searching ${where}`, () => {
    let page;
    const open = () => page.getByRole("link", { name: "Search messages" }).click();

    before(async () => {
      page = await newPage(browser, device);
      await signIn(page, service.url, "ada");
    });
    after(() => page.context().close());

    it("explains itself before anything was looked for", async () => {
      await open();
      await page.getByRole("heading", { name: "What you can look for" }).waitFor();
      assert.equal(await page.evaluate(() => document.activeElement.id), "search");
      await checkAccess(page, "the search, empty");
    });

    it("finds what was said, and shows it where it was said, with what was said around it", async () => {
      await found(page, "moonlit question", "green tea");
      await checkAccess(page, "what was found");
      await page
        .getByRole("link", {
          name: "Show the message of Grace Hopper in Reading",
        })
        .click();
      await page.getByRole("heading", { name: "Reading", level: 1 }).waitFor();
      await message(page, "moonlit question").first().waitFor();
      await page.getByText("page 3 of the paper").waitFor();
      assert.equal(await page.getByText(`page ${FAR_BACK - 1} of the paper`).count(), 0);
      assert.match(await page.evaluate(() => document.activeElement.innerText), /moonlit/);
    });

    it("goes on from there to the newest, by scrolling and at once", async () => {
      const end = page.getByText(`page ${FAR_BACK - 1} of the paper`);
      for (let tries = 0; tries < 400 && !(await end.count()); tries += 1) {
        await page.locator("#messages").evaluate((view) => (view.scrollTop += 2_000));
        await page.waitForTimeout(30);
      }
      await end.waitFor();
      await page.goBack();
      await page
        .getByRole("link", {
          name: "Show the message of Grace Hopper in Reading",
        })
        .click();
      await page.getByRole("heading", { name: "Reading", level: 1 }).waitFor();
      await message(page, "moonlit question").first().waitFor();
      await page.getByRole("button", { name: "Newest messages" }).click();
      await end.waitFor();
      await say(page, `written after looking back ${where}`);
      await once(page, `written after looking back ${where}`);
    });

    it("opens the thread of what was said in one", async () => {
      if (device === PHONE) await page.getByRole("link", { name: "Back to rooms" }).click();
      await open();
      await found(page, "moonlit answer", "in its thread");
      await page.getByRole("link", { name: /Show the message of Ada Lovelace/ }).click();
      await page.getByRole("complementary", { name: "Thread" }).getByText("a moonlit answer").waitFor();
      await page.getByRole("button", { name: "Close" }).click();
    });

    it("is narrowed down to a room and to oneself", async () => {
      if (device === PHONE) {
        await page.getByRole("button", { name: "Room options" }).click();
        await page.getByRole("menuitem", { name: "Search in this room" }).click();
      } else await page.getByRole("link", { name: "Search in this room" }).click();
      const here = page.getByRole("button", { name: "In Reading" });
      await page.waitForFunction(() => document.querySelector("#search")?.value.startsWith("in:Reading"));
      assert.equal(await here.getAttribute("aria-pressed"), "true");
      await page.getByRole("button", { name: "From me" }).click();
      await look(page, `${await field(page).inputValue()} paper`);
      await page.getByText("The newest 20 messages").waitFor();
      assert.equal(await hits(page).getByText("Grace Hopper").count(), 0);
      await page.getByRole("button", { name: "Show more" }).click();
      await page.getByText("The newest 40 messages").waitFor();
      await here.click();
      assert.doesNotMatch(await field(page).inputValue(), /in:/);
    });

    it("says what it did not find, and what it did not understand", async () => {
      await look(page, "zyzzyva");
      await page.locator(".empty").getByText("Nothing was found.").waitFor();
      await checkAccess(page, "nothing found");
      await look(page, "from:nobody-at-all tea");
      await page.getByRole("alert").getByText("There is nobody called nobody-at-all.").waitFor();
      await checkAccess(page, "a search that was refused");
      calm(page);
    });
  });
}

it("is done by keyboard alone", async () => {
  const page = await newPage(browser);
  await signIn(page, service.url, "grace");
  await page.keyboard.press("Control+Shift+F");
  await field(page).waitFor();
  await page.keyboard.type("moonlit question");
  await page.keyboard.press("Enter");
  await page.getByText("1 message found").waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowUp");
  assert.equal(await page.evaluate(() => document.activeElement.id), "search");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Reading", level: 1 }).waitFor();
  await message(page, "moonlit question").first().waitFor();
  calm(page);
  await page.context().close();
});

it("does not find what was deleted", async () => {
  const page = await newPage(browser);
  await signIn(page, service.url, "grace");
  await enter(page, "General");
  await say(page, "an ephemeral xylophone");
  await page.getByRole("link", { name: "Search messages" }).click();
  await found(page, "xylophone", "ephemeral");
  await page.getByRole("link", { name: /Show the message/ }).click();
  await act(page, "an ephemeral xylophone", "Delete");
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.locator("#messages").getByText("an ephemeral xylophone").waitFor({ state: "detached" });
  await page.goBack();
  await look(page, "xylophone");
  await page.locator(".empty").getByText("Nothing was found.").waitFor();
  calm(page);
  await page.context().close();
});
