/** Files in messages: on their way, in the room, large on the screen, saved, refused and deleted. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import {
  calm,
  checkAccess,
  DESKTOP,
  enter,
  launched,
  message,
  newPage,
  PHONE,
  say,
  signIn,
} from "./browser.mjs";
import { png } from "./pictures.mjs";
import { Service } from "./service.mjs";

const MOST = 300_000;
let service;
let browser;

before(async () => {
  service = await Service.started(undefined, {
    CHAT_MAX_FILE_BYTES: String(MOST),
  });
  browser = await launched();
});
after(async () => {
  await browser?.close();
  await service?.remove();
});

async function attach(page, ...files) {
  const chosen = files.map(([name, buffer, mimeType = "application/octet-stream"]) => ({
    name,
    mimeType,
    buffer: Buffer.from(buffer),
  }));
  await page.locator(".talk form input[type=file]").setInputFiles(chosen);
}

const chips = (page) => page.locator(".talk form").getByRole("list", { name: "Attached files" });
const chip = (page, name) => chips(page).getByRole("listitem").filter({ hasText: name });
const uploaded = (page, name) => page.getByText(`${name} is attached`).waitFor({ state: "attached" });
const send = (page) => page.locator(".talk form").getByRole("button", { name: /^Send/ });

/** How fast the page's requests may go, in bytes a second; -1 is as fast as they can. */
async function throttled(page, uploadThroughput) {
  page.wire ??= await page.context().newCDPSession(page);
  await page.wire.send("Network.enable");
  const network = {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput,
  };
  await page.wire.send("Network.emulateNetworkConditions", network);
}

for (const [where, device] of [
  ["at a desk", DESKTOP],
  ["at phone width, by touch", PHONE],
]) {
  describe(`files ${where}`, () => {
    let ada;
    let grace;
    const tag = device === PHONE ? "phone" : "desk";

    before(async () => {
      [ada, grace] = [await newPage(browser, device), await newPage(browser, device)];
      await signIn(ada, service.url, "ada");
      await signIn(grace, service.url, "grace");
      await enter(ada, "Engineering");
      await enter(grace, "Engineering");
    });
    after(async () => {
      await ada.context().close();
      await grace.context().close();
    });

    it("say how far they are, go on while another room is shown, and hold up the message until they are there", async () => {
      await throttled(ada, 60_000);
      await attach(ada, [`slow ${tag}.bin`, Buffer.alloc(250_000, 7)]);
      const bar = ada.getByRole("progressbar", {
        name: `Uploading slow ${tag}.bin`,
      });
      await bar.waitFor();
      await ada.waitForFunction(() => {
        const now = Number(document.querySelector("[role=progressbar]")?.getAttribute("aria-valuenow"));
        return now > 0 && now < 100;
      });
      await ada.locator("#composer").fill(`with a file ${tag}`);
      assert.ok(await send(ada).isDisabled());
      await ada.getByText("Can be sent when 1 upload is done.").waitFor();
      if (device === PHONE) await ada.getByRole("link", { name: "Back to rooms" }).click();
      await enter(ada, "General");
      assert.equal(await chips(ada).count(), 0);
      if (device === PHONE) await ada.getByRole("link", { name: "Back to rooms" }).click();
      await enter(ada, "Engineering");
      await chip(ada, `slow ${tag}.bin`).waitFor();
      await throttled(ada, -1);
      await send(ada).and(ada.locator(":enabled")).waitFor({ timeout: 20_000 });
      await send(ada).click();
      await message(grace, `with a file ${tag}`).getByText(`slow ${tag}.bin`).first().waitFor();
      assert.equal(await chips(ada).count(), 0);
    });

    it("are called off, taken back, and kept with the draft over a reload", async () => {
      await throttled(ada, 20_000);
      await attach(ada, [`stopped ${tag}.bin`, Buffer.alloc(250_000)]);
      await ada.getByRole("button", { name: `Stop uploading stopped ${tag}.bin` }).click();
      await chip(ada, `stopped ${tag}.bin`).waitFor({ state: "detached" });
      await throttled(ada, -1);
      await attach(ada, [`kept ${tag}.txt`, "kept"], [`back ${tag}.txt`, "taken back"]);
      await ada.getByRole("button", { name: `Remove kept ${tag}.txt` }).waitFor();
      await ada.getByRole("button", { name: `Remove back ${tag}.txt` }).click();
      await ada.waitForFunction(() => /kept/.test(JSON.stringify({ ...localStorage })));
      await ada.reload();
      await chip(ada, `kept ${tag}.txt`).waitFor();
      assert.equal(await chips(ada).getByRole("listitem").count(), 1);
      await send(ada).click();
      await message(grace, `kept ${tag}.txt`).waitFor();
    });

    it("are dropped onto the room, and pasted where they are pictures", async () => {
      const dropped = await ada.evaluateHandle((name) => {
        const data = new DataTransfer();
        data.items.add(new File(["dropped"], name));
        return data;
      }, `dropped ${tag}.txt`);
      await ada.dispatchEvent("#messages", "dragenter", { dataTransfer: dropped });
      await ada.getByText("Drop files here to attach them in Engineering").waitFor();
      await ada.dispatchEvent("#messages", "drop", { dataTransfer: dropped });
      await chip(ada, `dropped ${tag}.txt`).waitFor();
      await ada.evaluate((name) => {
        const paste = (...items) => {
          const clipboardData = new DataTransfer();
          for (const item of items) clipboardData.items.add(...item);
          const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
          document.getElementById("composer").dispatchEvent(event);
        };
        paste([new File(["x"], name)]);
        // A table that was copied comes as text and as a picture of it.
        paste(["a table", "text/plain"], [new File(["x"], "table.png")]);
      }, `pasted ${tag}.png`);
      await chip(ada, `pasted ${tag}.png`).waitFor();
      assert.equal(await chip(ada, "table.png").count(), 0);
      for (const name of [`dropped ${tag}.txt`, `pasted ${tag}.png`]) {
        await ada.getByRole("button", { name: `Remove ${name}` }).click();
      }
      assert.equal(await chips(ada).count(), 0);
    });

    it("may be all that a message is; images are shown, large by a press, and go by the keys", async () => {
      await attach(
        ada,
        [`first ${tag}.png`, png(800, 400)],
        [`second ${tag}.png`, png(300, 600, [180, 60, 40])],
      );
      await send(ada).and(ada.locator(":enabled")).waitFor();
      await checkAccess(ada, "files that wait to be sent");
      await send(ada).click();
      const image = grace.getByRole("button", {
        name: `Look at first ${tag}.png`,
      });
      await image.locator("img").waitFor();
      const { naturalWidth, src } = await image
        .locator("img")
        .evaluate(({ naturalWidth, src }) => ({ naturalWidth, src }));
      assert.ok(naturalWidth > 0 && src.startsWith("blob:"), "it is there, by an address of the page's own");
      await image.click();
      const viewer = grace.getByRole("dialog", { name: "Image viewer" });
      await viewer.getByText("Image 1 of 2").waitFor();
      await viewer.locator(`img[alt="first ${tag}.png"]`).waitFor();
      await checkAccess(grace, "the image viewer");
      await grace.keyboard.press("ArrowRight");
      await viewer.locator(`img[alt="second ${tag}.png"]`).waitFor();
      await viewer.getByText("Image 2 of 2").waitFor();
      await grace.keyboard.press("ArrowRight");
      await viewer.getByText("Image 2 of 2").waitFor();
      const saving = grace.waitForEvent("download");
      await viewer.getByRole("button", { name: `Download second ${tag}.png` }).click();
      assert.equal((await saving).suggestedFilename(), `second ${tag}.png`);
      await grace.keyboard.press("Escape");
      await viewer.waitFor({ state: "detached" });
      assert.ok(await image.evaluate((node) => node === document.activeElement), "the focus is back");
    });

    it("keep the place of an image that has not come", async () => {
      let release;
      const held = new Promise((resolve) => (release = resolve));
      await grace.route("**/api/v1/files/*/thumbnail", async (route) => {
        await held;
        await route.continue();
      });
      await attach(ada, [`late ${tag}.png`, png(640, 480)]);
      await send(ada).and(ada.locator(":enabled")).click();
      const image = grace.getByRole("button", {
        name: `Look at late ${tag}.png`,
      });
      await image.waitFor();
      await say(ada, `below the image ${tag}`);
      await message(grace, `below the image ${tag}`).waitFor();
      await grace.waitForTimeout(200);
      const boxes = () =>
        Promise.all([image.boundingBox(), message(grace, `below the image ${tag}`).boundingBox()]);
      const before = await boxes();
      release();
      await image.locator("img").waitFor();
      await grace.waitForTimeout(200);
      assert.deepEqual(await boxes(), before);
      await grace.unroute("**/api/v1/files/*/thumbnail");
    });

    it("are only saved where they are no images, whatever they claim to be", async () => {
      const page = "<!doctype html><script>alert(1)</script>";
      const drawing = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>';
      await attach(
        ada,
        [`page ${tag}.html`, page, "text/html"],
        [`drawing ${tag}.png`, drawing, "image/png"],
      );
      await send(ada).and(ada.locator(":enabled")).click();
      const row = message(grace, `page ${tag}.html`);
      const address = grace.url();
      for (const [name, content] of [
        [`page ${tag}.html`, page],
        [`drawing ${tag}.png`, drawing],
      ]) {
        const saving = grace.waitForEvent("download");
        await row.getByRole("button", { name: `Download ${name}` }).click();
        const saved = await saving;
        assert.equal(saved.suggestedFilename(), name);
        assert.equal(readFileSync(await saved.path(), "utf8"), content);
      }
      assert.equal(await row.locator("img").count(), 0);
      assert.equal(grace.url(), address);
      assert.equal(grace.context().pages().length, 1);
    });

    it("are refused before they are sent where they are too large, and leave with their message", async () => {
      const asked = [];
      const watch = (request) => /\/files\?/.test(request.url()) && asked.push(request.url());
      ada.on("request", watch);
      await attach(ada, [`huge ${tag}.bin`, Buffer.alloc(MOST + 1)]);
      await chip(ada, `huge ${tag}.bin`).getByText("Too large: up to 300 kB can be sent.").waitFor();
      assert.deepEqual(asked, []);
      ada.off("request", watch);
      assert.ok(await send(ada).isDisabled());
      await checkAccess(ada, "a file that was refused");
      await ada.getByRole("button", { name: `Remove huge ${tag}.bin` }).click();
      await attach(ada, [`doomed ${tag}.png`, png(40, 40)]);
      await ada.locator("#composer").fill(`doomed words ${tag}`);
      await send(ada).and(ada.locator(":enabled")).waitFor();
      const answered = grace.waitForResponse(/\/files\/f[a-z2-7]{21}/);
      await send(ada).click();
      const address = (await answered).url();
      const row = message(ada, `doomed words ${tag}`);
      if (device === PHONE) await row.getByText(`doomed words ${tag}`).tap();
      else await row.hover();
      await row.getByRole("button", { name: "Delete" }).click();
      await ada.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      await grace.getByRole("button", { name: `Look at doomed ${tag}.png` }).waitFor({ state: "detached" });
      const token = await service.token("grace");
      const gone = await fetch(address, {
        headers: { Authorization: `Bearer ${token}` },
      });
      assert.equal(gone.status, 404);
    });

    it("never make their browser complain", () => calm(ada, grace));
  });
}

const HOSTILE = [
  "<img src=x onerror=alert(1)>.txt",
  "\"><script>alert(1)<'script>.txt",
  "photo\u202egnp.exe",
  "\u2067left\u2066right\u2069.txt",
  "{{7*7}} ${alert(1)} {@html 1}.txt",
  "javascript:alert(1)",
  "תקציב ומאזן לשנה הבאה, הצעה ראשונה.pdf",
  "a".repeat(120) + ".tar.gz",
];

it("names stay names: nothing in them runs, turns the line around or leaves its card", async () => {
  const page = await newPage(browser, PHONE);
  await signIn(page, service.url, "ada");
  await enter(page, "Engineering");
  for (const [at, name] of HOSTILE.entries()) {
    await attach(page, [name, `content ${at}`, "text/plain"]);
    await page.locator("#composer").fill(`name ${at}`);
    await send(page).and(page.locator(":enabled")).click();
    const row = message(page, `name ${at}`);
    await row.getByRole("button", { name: /^Download / }).waitFor();
    const card = await row.locator(".card").boundingBox();
    assert.ok(card.x >= 0 && card.x + card.width <= 360, `${name} is within the screen`);
    const said = await row.locator(".card .name").innerText();
    assert.ok(!/[\u202a-\u202e\u2066-\u2069]/.test(said), `${name} turns nothing around`);
  }
  assert.equal(await page.locator("#messages :is(iframe, script, img[src='x'])").count(), 0);
  calm(page);
  await page.context().close();
});
