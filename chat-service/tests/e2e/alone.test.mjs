/** One person: several tabs, tokens that end soon, and everything by keyboard. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { calm, enter, launched, message, newPage, once, PATIENCE_MS, say, signIn } from "./browser.mjs";
import { Service } from "./service.mjs";

let service;
let browser;
let page;

before(async () => {
  service = await Service.started(undefined, { CHAT_ACCESS_TOKEN_TTL_S: "6" });
  browser = await launched();
  page = await newPage(browser);
  await signIn(page, service.url, "grace");
  await enter(page, "Engineering");
});
after(async () => {
  await browser?.close();
  await service?.remove();
});

describe("one person", () => {
  it("has several tabs, which show the same once, also when the one that sends is closed", async () => {
    const second = await page.context().newPage();
    second.setDefaultTimeout(PATIENCE_MS);
    await second.goto(page.url());
    await second.locator("#messages[aria-busy=false]").waitFor();
    await say(page, "from the first tab");
    await say(second, "from the second tab");
    for (const tab of [page, second]) {
      await once(tab, "from the first tab");
      await once(tab, "from the second tab");
    }
    const third = await page.context().newPage();
    third.setDefaultTimeout(PATIENCE_MS);
    await third.goto(page.url());
    await page.close();
    page = third;
    page.complaints = [];
    await say(second, "after the first was closed");
    await once(second, "after the first was closed");
    await once(page, "after the first was closed");
    await second.close();
  });

  it("stays signed in and connected while tokens end and are renewed", async () => {
    const second = await page.context().newPage();
    await second.goto(page.url());
    await page.waitForTimeout(14_000);
    await say(second, "still here");
    await once(page, "still here");
    assert.equal(await page.getByText("Your session has ended").count(), 0);
    await second.close();
  });

  it("needs no pointer", async () => {
    await page.locator("#composer").focus();
    await page.keyboard.type("typed with **keys**");
    await page.keyboard.press("Enter");
    await message(page, "typed with keys").waitFor();
    await page.keyboard.press("ArrowUp");
    await page.getByText("Editing your message").waitFor();
    await page.keyboard.press("Escape");
    await page.getByText("Editing your message").waitFor({ state: "detached" });
    await page.keyboard.press("ArrowUp");
    await page.keyboard.type(", and edited");
    await page.keyboard.press("Enter");
    await message(page, "typed with keys, and edited").getByText("(edited)").waitFor();

    await page.locator("#messages").focus();
    await page.keyboard.press("ArrowUp");
    assert.match(await page.evaluate(() => document.activeElement.innerText), /typed with keys, and edited/);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), "Add a reaction");

    await page.keyboard.press("Control+k");
    await page.keyboard.type("gen");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "General", level: 1 }).waitFor();
  });

  it("finds a draft again, and the theme that was chosen", async () => {
    await page.locator("#composer").fill("not yet finished");
    await page.getByRole("button", { name: /your profile/ }).click();
    await page.getByText("Dark", { exact: true }).click();
    await page.keyboard.press("Escape");
    await page.reload();
    await page.locator("#messages[aria-busy=false]").waitFor();
    assert.equal(await page.locator("#composer").inputValue(), "not yet finished");
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
    calm(page);
  });
});
