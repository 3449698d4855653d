/** What a first visit loads, in the bytes that really came over the wire, and whether it can be installed. */
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { calm, launched, newPage, PASSWORD } from "./browser.mjs";
import { Service } from "./service.mjs";

/** Compressed; what the project promises for the first load. */
const MOST_BYTES = 200_000;

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

it("a first load stays small, up to a room that can be read and written in", async () => {
  const page = await newPage(browser);
  const wire = await page.context().newCDPSession(page);
  await wire.send("Network.enable");
  await wire.send("Network.setCacheDisabled", { cacheDisabled: true });
  const files = new Map();
  wire.on("Network.responseReceived", ({ requestId, response }) =>
    files.set(requestId, { path: new URL(response.url).pathname, bytes: 0 }),
  );
  wire.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const file = files.get(requestId);
    if (file !== undefined) file.bytes = encodedDataLength;
  });
  const sum = () => [...files.values()].reduce((bytes, file) => bytes + file.bytes, 0);

  await page.goto(`${service.url}/app`);
  await page.getByLabel("Username").fill("ada");
  await page.waitForLoadState("networkidle");
  const entrance = sum();
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("link", { name: /^Engineering/ }).click();
  await page.locator("#messages[aria-busy=false]").waitFor();
  await page.waitForLoadState("networkidle");
  const room = sum();
  const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
  console.log(`# first load, compressed: ${kB(entrance)} to the entrance, ${kB(room)} to a room`);
  const script = [...files.values()].filter(({ path }) => path.endsWith(".js"));
  assert.ok(script.length > 0 && entrance > 20_000, "what was loaded was counted");
  assert.ok(room < MOST_BYTES, `${kB(room)}: ${JSON.stringify([...files.values()])}`);
  calm(page);
  await page.context().close();
});

it("can be installed: a manifest with names, a start, colours, and icons that are there", async () => {
  const page = await newPage(browser);
  await page.goto(`${service.url}/app`);
  const wire = await page.context().newCDPSession(page);
  const { errors, data, url } = await wire.send("Page.getAppManifest");
  assert.deepEqual(errors, []);
  const manifest = JSON.parse(data);
  assert.equal(manifest.display, "standalone");
  assert.equal(new URL(manifest.start_url, url).href, `${service.url}/app`);
  for (const { src, sizes, type } of manifest.icons) {
    const answer = await fetch(new URL(src, url));
    assert.equal(answer.headers.get("content-type"), type, src);
    if (type !== "image/png") continue;
    const bytes = Buffer.from(await answer.arrayBuffer());
    assert.equal(`${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`, sizes, src);
  }
  const { installabilityErrors } = await wire.send("Page.getInstallabilityErrors");
  const reasons = installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== "in-incognito");
  assert.deepEqual(reasons, []);
  assert.match(await page.locator("meta[name=theme-color]").getAttribute("content"), /^#/);
  calm(page);
  await page.context().close();
});
