/** Two people chat, whatever happens to the server and the network between them. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  act,
  calm,
  DESKTOP,
  enter,
  launched,
  message,
  newPage,
  once,
  PHONE,
  say,
  signIn,
  told,
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

for (const [name, device] of [
  ["at a desk", DESKTOP],
  ["at phone width, by touch", PHONE],
]) {
  describe(`two people ${name}`, () => {
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

    it("see what the other writes, and that they write", async () => {
      await ada.locator("#composer").pressSequentially(`hello from ${tag}`);
      await grace.getByText("Ada Lovelace is typing").waitFor();
      await ada.locator("#composer").fill("");
      await say(ada, `hello from ${tag}`);
      await once(grace, `hello from ${tag}`);
      await once(ada, `hello from ${tag}`);
    });

    it("edit, react, reply and delete", async () => {
      await say(ada, `first thougt ${tag}`);
      await act(ada, `first thougt ${tag}`, "Edit");
      await say(ada, `first thought ${tag}`);
      await message(grace, `first thought ${tag}`).getByText("(edited)").waitFor();

      await act(grace, `first thought ${tag}`, "Add a reaction");
      await grace.getByRole("searchbox", { name: "Search emoji" }).fill("rocket");
      await grace.getByRole("button", { name: /rocket/ }).click();
      await message(ada, `first thought ${tag}`)
        .getByRole("button", { name: /🚀 1 reaction/ })
        .click();
      await message(grace, `first thought ${tag}`)
        .getByRole("button", { name: /🚀 2 reactions/ })
        .waitFor();

      await act(grace, `first thought ${tag}`, "Reply");
      await say(grace, `answered ${tag}`);
      await message(ada, `answered ${tag}`)
        .getByRole("button", { name: /In reply to Ada/ })
        .click();

      await say(ada, `to be gone ${tag}`);
      await once(grace, `to be gone ${tag}`);
      await act(ada, `to be gone ${tag}`, "Delete");
      await ada.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      await grace.locator("#messages").getByText(`to be gone ${tag}`).waitFor({ state: "detached" });
    });

    it("go on when the server is killed and started again", async () => {
      await service.end("SIGKILL");
      await say(ada, `while it was away ${tag}`);
      await told(ada, "No connection");
      await say(ada, `and another ${tag}`);
      await service.start();
      for (const page of [ada, grace]) {
        await once(page, `while it was away ${tag}`);
        await once(page, `and another ${tag}`);
      }
      const texts = await grace.locator("#messages").innerText();
      assert.ok(
        texts.indexOf(`while it was away ${tag}`) < texts.indexOf(`and another ${tag}`),
        "in the order written",
      );
    });

    it("keep what was not sent over a reload", async () => {
      await service.end("SIGTERM");
      await say(grace, `over a reload ${tag}`);
      await grace.waitForTimeout(300);
      await service.start();
      await grace.reload();
      await once(ada, `over a reload ${tag}`);
      await once(grace, `over a reload ${tag}`);
    });

    it("are told that they are offline, and lose nothing by it", async () => {
      await ada.context().setOffline(true);
      await told(ada, "You are offline");
      await say(ada, `from a tunnel ${tag}`);
      await say(grace, `into a tunnel ${tag}`);
      await ada.context().setOffline(false);
      await once(grace, `from a tunnel ${tag}`);
      await once(ada, `into a tunnel ${tag}`);
      await once(ada, `from a tunnel ${tag}`);
    });

    it("never see a complaint of their browser", () => calm(ada, grace));
  });
}
