/** A browser for the tests: people in contexts of their own, watched for what must never happen. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--no-first-run",
];

export const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = {
  viewport: { width: 360, height: 740 },
  hasTouch: true,
  isMobile: true,
};
/** Longer than anything takes on a slow and busy machine. */
export const PATIENCE_MS = 25_000;
export const PASSWORD = "demo-demo-demo";

export const launched = () => chromium.launch({ executablePath: CHROMIUM, args: FLAGS });

/** What a page may complain about while its server is away on purpose. */
const EXPECTED = /WebSocket connection|ERR_|Failed to load resource|net::/;

/** A page in a context of its own. What it complains about is in `page.complaints`. */
export async function newPage(browser, device = DESKTOP) {
  const context = await browser.newContext({ locale: "en-GB", ...device });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  page.on("console", (message) => {
    const text = message.text();
    const policy = /Content Security Policy/i.test(text);
    if (policy || (message.type() === "error" && !EXPECTED.test(text))) page.complaints.push(text);
  });
  page.on("response", async (answer) => {
    // Whatever people do in it, the client asks for nothing that the service calls malformed.
    if (answer.status() !== 400 || answer.url().includes("/search?")) return;
    const said = await answer.text().catch(() => "");
    page.complaints.push(`${answer.request().method()} ${answer.url()}: ${said}`);
  });
  page.on("dialog", (dialog) => page.complaints.push(`a dialog: ${dialog.message()}`));
  page.on("request", (request) => {
    const { host, protocol } = new URL(request.url());
    if (protocol.startsWith("http") && !host.startsWith("127.0.0.1")) page.complaints.push(`asked ${host}`);
  });
  return page;
}

export async function signIn(page, url, username) {
  await page.goto(`${url}/app`);
  await page.getByLabel("Username").fill(username);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("navigation", { name: "Rooms" }).getByRole("link").first().waitFor();
}

export async function enter(page, room) {
  await page.getByRole("link", { name: new RegExp(`^${room}`) }).click();
  await page.getByRole("heading", { name: room, level: 1 }).waitFor();
  await page.locator("#messages[aria-busy=false]").waitFor();
}

export async function say(page, text) {
  const field = page.locator("#composer");
  await field.fill(text);
  const touch = await page.evaluate(() => matchMedia("(pointer: coarse)").matches);
  if (touch) await page.getByRole("button", { name: /^(Send|Save)$/ }).click();
  else await field.press("Enter");
}

/** What is said of the connection: it is read out, too. */
export const told = (page, text) =>
  page.getByRole("status").filter({ hasText: text }).waitFor({ state: "attached" });

export const isTouched = (page) => page.evaluate(() => matchMedia("(hover: none)").matches);

/** Choose what can be done to a message: by the pointer over it, or by a tap. */
export async function act(page, text, name) {
  const row = message(page, text);
  const button = row.getByRole("button", { name, exact: true }).first();
  const touch = await isTouched(page);
  // A message that arrives moves the others, also away from under the pointer: then it is looked for again.
  for (let tries = 0; !(await button.isVisible()) && tries < 20; tries += 1) {
    if (touch) await row.getByText(text).first().tap();
    else await row.hover();
    await page.waitForTimeout(100);
  }
  await button.click();
}

export const message = (page, text) => page.getByRole("article").filter({ hasText: text });

/** The text is on screen once: not lost, not doubled. */
export async function once(page, text) {
  await page.locator("#messages").getByText(text, { exact: true }).first().waitFor();
  assert.equal(
    await page.locator("#messages").getByText(text, { exact: true }).count(),
    1,
    `${text} is there twice`,
  );
}

/** What axe finds wrong with the page as it is. */
export async function checkAccess(page, where) {
  if (!(await page.evaluate(() => "axe" in window))) {
    // Put in by the debugger, which the page's policy does not bind.
    const { readFileSync } = await import("node:fs");
    await page.evaluate(readFileSync(AXE, "utf8"));
  }
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { violations } = await page.evaluate((only) => window.axe.run({ runOnly: only }), tags);
  const said = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`,
  );
  assert.deepEqual(said, [], `${where} shuts somebody out`);
}

export function calm(...pages) {
  for (const page of pages) assert.deepEqual(page.complaints, []);
}
