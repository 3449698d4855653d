/** Threads, pins and who has seen a message: between two people, at a desk and at phone width. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
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

let service;
let browser;

before(async () => {
  service = await Service.started();
  browser = await launched();
});
after(async () => {
  await browser?.close();
  await service?.remove();
});

const panel = (page) => page.getByRole("complementary", { name: "Thread" });
const reply = (page, text) => panel(page).getByRole("article").filter({ hasText: text });
const inRoom = (page, text) => page.locator("#messages").getByRole("article").filter({ hasText: text });

/** The way to the newest messages is offered where there are some below, and covers nothing where there are none. */
const endIsTold = (page) =>
  page.waitForFunction(() => {
    const view = document.querySelector("#messages");
    const more = view.scrollHeight - view.scrollTop - view.clientHeight > 32;
    return more === (view.parentElement.querySelector(".to-end") !== null);
  });

async function act(page, row, text, button) {
  const wanted = row.getByRole("button", { name: button }).first();
  const touch = await page.evaluate(() => matchMedia("(hover: none)").matches);
  if (!touch) await row.hover();
  // What can be done to a message that has the focus is shown already.
  else if (!(await wanted.isVisible())) await row.getByText(text).first().tap();
  await wanted.click();
}

async function answer(page, text) {
  const field = panel(page).locator("#thread-composer");
  await field.fill(text);
  await panel(page)
    .getByRole("button", { name: /^(Send|Save)$/ })
    .click();
}

for (const [where, device] of [
  ["at a desk", DESKTOP],
  ["at phone width, by touch", PHONE],
]) {
  describe(`threads ${where}`, () => {
    let ada;
    let grace;
    const tag = device === PHONE ? "phone" : "desk";
    const root = `shall we ship ${tag}`;

    before(async () => {
      [ada, grace] = [await newPage(browser, device), await newPage(browser, device)];
      await signIn(ada, service.url, "ada");
      await signIn(grace, service.url, "grace");
      await enter(ada, "Engineering");
      await enter(grace, "Engineering");
      await say(ada, root);
      await once(grace, root);
    });
    after(async () => {
      await ada.context().close();
      await grace.context().close();
    });

    it("begin at a message, are counted there, and stay out of the room", async () => {
      await act(grace, inRoom(grace, root), root, "Reply in thread");
      await panel(grace).getByText("No replies yet.").waitFor();
      await checkAccess(grace, "an empty thread");
      await answer(grace, `first answer ${tag}`);
      await reply(grace, `first answer ${tag}`).waitFor();
      await inRoom(ada, root)
        .getByRole("button", { name: /^1 reply · last/ })
        .click();
      await reply(ada, `first answer ${tag}`).waitFor();
      await answer(ada, `second answer ${tag}`);
      await reply(grace, `second answer ${tag}`).waitFor();
      for (const page of [ada, grace]) {
        await page.locator("#messages").getByText("2 replies").waitFor({ state: "attached" });
        assert.equal(await page.locator("#messages").getByText(`answer ${tag}`).count(), 0);
        assert.equal(await reply(page, `answer ${tag}`).count(), 2);
      }
    });

    it("take files, edits, reactions and deletions", async () => {
      const file = {
        name: `notes ${tag}.txt`,
        mimeType: "text/plain",
        buffer: Buffer.from("notes"),
      };
      await panel(ada).locator("input[type=file]").setInputFiles(file);
      await panel(ada).locator("button:enabled[aria-label=Send]").click();
      await reply(grace, `notes ${tag}.txt`).waitFor();

      await act(ada, reply(ada, `second answer ${tag}`), `second answer ${tag}`, "Edit");
      await answer(ada, `changed answer ${tag}`);
      await reply(grace, `changed answer ${tag}`).getByText("(edited)").waitFor();

      await act(grace, reply(grace, `changed answer ${tag}`), `changed answer ${tag}`, "Add a reaction");
      await grace.getByRole("searchbox", { name: "Search emoji" }).fill("rocket");
      await grace.getByRole("button", { name: /rocket/ }).click();
      await reply(ada, `changed answer ${tag}`)
        .getByRole("button", { name: /🚀 1 reaction/ })
        .waitFor();

      await act(ada, reply(ada, `changed answer ${tag}`), `changed answer ${tag}`, "Delete");
      await ada.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      await reply(grace, `changed answer ${tag}`).waitFor({
        state: "detached",
      });
      await panel(grace).getByText("2 replies", { exact: true }).waitFor();
      await grace
        .locator("#messages")
        .getByText(/^2 replies/)
        .waitFor({ state: "attached" });
    });

    it("lose nothing while there is no network, and keep what was begun", async () => {
      await ada.context().setOffline(true);
      await answer(ada, `from a tunnel ${tag}`);
      await panel(ada).getByText(`from a tunnel ${tag}`).waitFor();
      assert.equal(await ada.locator("#messages").getByText(`from a tunnel ${tag}`).count(), 0);
      await ada.context().setOffline(false);
      await reply(grace, `from a tunnel ${tag}`).waitFor();
      await reply(ada, `from a tunnel ${tag}`).waitFor();
      assert.equal(await panel(ada).getByText(`from a tunnel ${tag}`, { exact: true }).count(), 1);
      await panel(ada).locator("#thread-composer").fill(`a draft ${tag}`);
      await ada.reload();
      await reply(ada, `from a tunnel ${tag}`).waitFor();
      assert.equal(await panel(ada).locator("#thread-composer").inputValue(), `a draft ${tag}`);
      assert.equal(await ada.locator("#composer").inputValue(), "");
      await panel(ada).locator("#thread-composer").fill("");
    });

    it("have an address, and give the focus back when they close", async () => {
      assert.match(new URL(ada.url()).hash, /^#thread-\d+$/);
      await checkAccess(ada, "a thread");
      await panel(ada).locator("#thread-composer").focus();
      await ada.keyboard.press("Escape");
      await panel(ada).waitFor({ state: "detached" });
      assert.equal(new URL(ada.url()).hash, "");
      const focused = await ada.evaluate(() => document.activeElement?.textContent ?? "");
      assert.ok(focused.includes(root), "the message that the thread hangs on has the focus");
      await ada.goBack();
      await panel(ada).waitFor();
      await panel(ada).getByRole("button", { name: "Close" }).click();
      await panel(grace).getByRole("button", { name: "Close" }).click();
    });

    it("and messages are pinned for everybody, found among the pins, and unpinned", async () => {
      await act(ada, inRoom(ada, root), root, "Pin to the room");
      await inRoom(grace, root).getByText("Pinned", { exact: true }).waitFor();
      await grace.getByRole("button", { name: "Pinned messages" }).click();
      const pins = grace.getByRole("complementary", {
        name: "Pinned messages",
      });
      const pinned = pins.getByRole("article").filter({ hasText: root });
      await pinned.waitFor();
      await checkAccess(grace, "the pins");
      await pinned.getByRole("button", { name: "Show in room" }).click();
      await grace.waitForFunction((text) => document.activeElement?.textContent?.includes(text), root);
      await endIsTold(grace);
      if (device === PHONE) await grace.getByRole("button", { name: "Pinned messages" }).click();
      await pinned.getByRole("button", { name: "Unpin" }).click();
      await pins.getByText("Nothing is pinned here.").waitFor();
      await inRoom(ada, root).getByText("Pinned", { exact: true }).waitFor({ state: "detached" });
      await grace.keyboard.press("Escape");
      await pins.waitFor({ state: "detached" });
    });

    it("and it is told who has seen what was written", async () => {
      await say(ada, `look at this ${tag}`);
      await once(grace, `look at this ${tag}`);
      const seen = inRoom(ada, `look at this ${tag}`).getByRole("button", {
        name: /Seen by 1/,
      });
      await seen.click();
      await ada.getByRole("group", { name: "Who has seen this" }).getByText("Grace Hopper").waitFor();
      await checkAccess(ada, "who has seen a message");
      await ada.keyboard.press("Escape");
      await ada.getByRole("group", { name: "Who has seen this" }).waitFor({ state: "hidden" });
    });

    it("without a complaint of their browser", () => calm(ada, grace));
  });
}

it("a direct message is seen when the other has it before them, not sooner", async () => {
  const [ada, grace] = [await newPage(browser), await newPage(browser, PHONE)];
  const token = await service.token("ada");
  const people = await service.call("GET", "/users?q=grace&limit=1", undefined, token);
  const { room } = await service.call("POST", "/rooms/direct", { user: people.users[0].id }, token);
  await signIn(ada, service.url, "ada");
  await ada.goto(`${service.url}/app/rooms/${room}`);
  await ada.locator("#messages[aria-busy=false]").waitFor();
  await say(ada, "are you there");
  await once(ada, "are you there");
  await signIn(grace, service.url, "grace");
  await ada.waitForTimeout(300);
  assert.equal(await message(ada, "are you there").getByText("Seen", { exact: true }).count(), 0);
  await grace.getByRole("link", { name: /^Ada/ }).click();
  await once(grace, "are you there");
  await message(ada, "are you there").getByText("Seen", { exact: true }).waitFor();
  await checkAccess(ada, "a direct room");
  calm(ada, grace);
  await ada.context().close();
  await grace.context().close();
});

for (const [name, device] of [
  ["at a desk", DESKTOP],
  ["at phone width", PHONE],
]) {
  it(`axe finds nothing in the dark ${name}`, async () => {
    const page = await newPage(browser, {
      ...device,
      colorScheme: "dark",
      reducedMotion: "reduce",
    });
    await signIn(page, service.url, "ada");
    await enter(page, "Engineering");
    await say(page, `in the dark ${name}`);
    await once(page, `in the dark ${name}`);
    const row = inRoom(page, `in the dark ${name}`);
    await act(page, row, `in the dark ${name}`, "Pin to the room");
    await row.getByText("Pinned", { exact: true }).waitFor();
    await act(page, row, `in the dark ${name}`, "Reply in thread");
    await answer(page, `in its thread ${name}`);
    await reply(page, `in its thread ${name}`).waitFor();
    await checkAccess(page, "a thread");
    await panel(page).getByRole("button", { name: "Close" }).click();
    await checkAccess(page, "a room with a thread and a pin");
    await page.getByRole("button", { name: "Pinned messages" }).click();
    await page
      .getByRole("article", { name: /^Message from/ })
      .first()
      .waitFor();
    await checkAccess(page, "the pins");
    calm(page);
    await page.context().close();
  });
}
