/** The ways in, what stands in every view for those who see or hear it otherwise, and hostile words. */
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
  PASSWORD,
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

describe("the ways in", () => {
  it("are open to somebody new, whose mistakes are explained where they were made", async () => {
    const page = await newPage(browser);
    await page.goto(service.url);
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByLabel("Username").fill("ada");
    await page.getByLabel("Password").fill("a long password");
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Username").fill("mary");
    await page.getByLabel("Your name").fill("Mary Somerville");
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByRole("navigation", { name: "Rooms" }).waitFor();
    await page.getByRole("button", { name: "Browse channels" }).first().click();
    await page.getByRole("button", { name: "Join General" }).click();
    await page.locator("#composer").waitFor();
    await say(page, "I am new here");
    await once(page, "I am new here");
    calm(page);
    await page.context().close();
  });

  it("let a guest in by a link that a member made", async () => {
    const [ada, guest] = [await newPage(browser), await newPage(browser, PHONE)];
    await signIn(ada, service.url, "ada");
    await ada.getByRole("button", { name: "New channel" }).first().click();
    await ada.getByLabel("Name", { exact: true }).fill("Visitors");
    await ada.getByLabel("Guests may be invited by link").check();
    await ada.getByRole("button", { name: "Create channel" }).click();
    await ada.getByRole("heading", { name: "Visitors" }).waitFor();
    await ada.getByRole("button", { name: "Room options" }).click();
    await ada.getByRole("menuitem", { name: "Room settings" }).click();
    await ada.getByLabel("Comes in as").selectOption("guest");
    await ada.getByRole("button", { name: "Make a link" }).click();
    const link = await ada.getByRole("textbox", { name: "Invitation links" }).inputValue();
    await ada.keyboard.press("Escape");

    await guest.goto(link);
    await guest.getByRole("heading", { name: "You are invited to Visitors" }).waitFor();
    await checkAccess(guest, "the invitation");
    await guest.getByLabel("Your name").fill("Passing Paula");
    await guest.getByRole("button", { name: "Come in as a guest" }).click();
    await guest.locator("#composer").waitFor();
    await say(guest, "hello from outside");
    await once(ada, "hello from outside");
    await message(ada, "hello from outside").getByText("Passing Paula").first().waitFor();
    calm(ada, guest);
    await ada.context().close();
    await guest.context().close();
  });

  it("close everywhere when a session is ended elsewhere", async () => {
    const [here, there] = [await newPage(browser), await newPage(browser)];
    await signIn(here, service.url, "alan");
    await signIn(there, service.url, "alan");
    await here.getByRole("button", { name: /your profile/ }).click();
    await here.getByRole("button", { name: "Sign out everywhere else" }).click();
    await there.getByText("Your session has ended").waitFor();
    calm(here, there);
    await here.context().close();
    await there.context().close();
  });
});

const HOSTILE = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "[click](javascript:alert(1))",
  "<svg/onload=alert(1)>",
  "&lt;b&gt; {@html 1} ${alert(1)} {{7*7}}",
  "\"><iframe srcdoc='<script>alert(1)</script>'>",
];

const HOSTILE_NAME = "<b onclick=alert(1)>Mal</b>";

it("hostile words stay words, also as names of rooms and people, and where they are found", async () => {
  const page = await newPage(browser);
  const token = await service.token("ada");
  const asked = { name: HOSTILE[1], topic: HOSTILE[0], visibility: "public" };
  const { room } = await service.call("POST", "/rooms", asked, token);
  const mallory = { username: "mallory", name: HOSTILE_NAME, password: PASSWORD };
  const theirs = (await service.call("POST", "/auth/register", mallory)).access_token;
  await service.call("POST", `/rooms/${room}/join`, {}, theirs);
  await service.call("POST", `/rooms/${room}/messages`, { body: { text: "a sesame seed" } }, theirs);
  await signIn(page, service.url, "ada");
  await page.getByRole("link", { name: /onerror/ }).click();
  for (const text of HOSTILE) {
    await say(page, text);
    await once(page, text);
  }
  await message(page, "a sesame seed").getByText(HOSTILE_NAME).first().waitFor();
  await page.getByRole("button", { name: "Members", exact: true }).click();
  await page.getByRole("complementary").getByText(HOSTILE_NAME).waitFor();
  assert.equal(await page.locator("main iframe, main img, main svg[onload], main script").count(), 0);
  assert.equal(await page.locator("a[href^='javascript']").count(), 0);
  await say(page, "see https://example.org/x");
  const link = page.getByRole("link", { name: "https://example.org/x" });
  assert.equal(await link.getAttribute("rel"), "noopener noreferrer");
  await page.getByRole("link", { name: "Search messages" }).click();
  for (const query of ["alert", "sesame"]) {
    await page.locator("#search").fill(query);
    await page.locator("#search").press("Enter");
    // The index takes what was said a moment later: then it is looked for again.
    for (let tries = 0; tries < 40 && !(await page.getByRole("article").count()); tries += 1) {
      await page.waitForTimeout(250);
      await page.locator("#search").press("Enter");
      await page
        .getByText(/found|newest|Nothing was/)
        .first()
        .waitFor({ state: "attached" });
    }
    await page.getByRole("article").first().waitFor();
    assert.equal(await page.locator("main iframe, main img, main svg[onload], main script").count(), 0);
  }
  await page.getByRole("article").getByText(HOSTILE_NAME).waitFor();
  calm(page);
  await page.context().close();
});

for (const [name, device] of [
  ["at a desk", DESKTOP],
  ["at phone width", PHONE],
]) {
  for (const colorScheme of ["light", "dark"]) {
    it(`axe finds nothing ${name}, ${colorScheme}`, async () => {
      const page = await newPage(browser, {
        ...device,
        colorScheme,
        reducedMotion: "reduce",
      });
      await page.goto(`${service.url}/app`);
      await page.getByLabel("Username").waitFor();
      await checkAccess(page, "the entrance");
      await signIn(page, service.url, "grace");
      await checkAccess(page, "the room list");
      await enter(page, "Engineering");
      await checkAccess(page, "a room");
      await page.getByRole("button", { name: "Members", exact: true }).click();
      await page.getByRole("button", { name: /Alan Turing/ }).waitFor();
      await checkAccess(page, "the members");
      await page.getByRole("button", { name: /Alan Turing/ }).click();
      await checkAccess(page, "a member");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Close" }).click();
      await page.getByRole("button", { name: "Room options" }).click();
      await checkAccess(page, "the room's options");
      await page.getByRole("menuitem", { name: "Room settings" }).click();
      await page.getByRole("button", { name: "Leave this room" }).waitFor();
      await checkAccess(page, "room settings");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Insert an emoji" }).click();
      await checkAccess(page, "the emoji");
      await page.keyboard.press("Escape");
      await page.keyboard.press("Control+k");
      await checkAccess(page, "the switcher");
      await page.keyboard.press("Escape");
      if (device === PHONE) await page.getByRole("link", { name: "Back to rooms" }).click();
      for (const [button, where] of [
        ["Browse channels", "browsing"],
        ["New channel", "making a channel"],
        ["New message", "finding people"],
        [/your profile/, "the account"],
      ]) {
        await page.getByRole("button", { name: button }).first().click();
        await page.getByRole("dialog").waitFor();
        await page.waitForTimeout(300);
        await checkAccess(page, where);
        await page.keyboard.press("Escape");
        await page.getByRole("dialog").waitFor({ state: "detached" });
      }
      calm(page);
      await page.context().close();
    });
  }
}
