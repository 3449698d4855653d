/** Takes the pictures of the user's guide: a lively day, and a first one, at a desk and on a phone. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { DESKTOP, enter, launched, newPage, PASSWORD, PHONE, say, signIn } from "./browser.mjs";
import { painted } from "./pictures.mjs";
import { Service } from "./service.mjs";

const OUT = new URL("../../../docs/users/pictures/", import.meta.url).pathname;

/** Hills at dusk, so that nobody's photograph has to be kept here. */
const dusk = painted(400, 225, (x, y) => {
  const ridge = (base, height, length, shift) =>
    y >
    base + height * Math.sin((x + shift) / length) + (height / 3) * Math.sin((x + shift) / (length / 3.1));
  if (ridge(182, 16, 56, 25)) return [24, 54, 56];
  if (ridge(156, 21, 88, 125)) return [45, 88, 88];
  if (ridge(128, 19, 119, 56)) return [98, 132, 126];
  if ((x - 294) ** 2 + (y - 75) ** 2 < 24 ** 2) return [255, 236, 200];
  return [240, 186, 146];
});

const PEOPLE = {
  katherine: "Katherine Johnson",
  edsger: "Edsger Dijkstra",
  barbara: "Barbara Liskov",
};
const CHANNELS = [
  ["Release 2.0", "Ship on Thursday. Checklist in the pins", "private"],
  ["Design", "How it looks and why", "public"],
  ["Lunch", "Where, when, who", "public"],
];

/** The tokens of everybody, by username. */
async function people(service) {
  const tokens = {};
  for (const username of ["ada", "grace", "alan"]) tokens[username] = await service.token(username);
  for (const [username, name] of Object.entries(PEOPLE)) {
    const asked = { username, name, password: PASSWORD };
    tokens[username] = (await service.call("POST", "/auth/register", asked)).access_token;
  }
  return tokens;
}

async function livelyDay(service) {
  const tokens = await people(service);
  const as = (who) => ({
    say: (room, text, more = {}) =>
      service.call("POST", `/rooms/${room}/messages`, { body: { text, ...more } }, tokens[who]),
    call: (method, path, body) => service.call(method, path, body, tokens[who]),
  });
  const rooms = {};
  for (const [name, topic, visibility] of CHANNELS) {
    const made = await as("grace").call("POST", "/rooms", { name, topic, visibility });
    rooms[name] = made.room;
    for (const who of ["ada", "alan", ...Object.keys(PEOPLE)]) {
      const { id } = await as(who).call("GET", "/users/me");
      await as("grace").call("POST", `/rooms/${made.room}/members`, { user: id });
    }
  }
  const engineering = await service.room("Engineering", tokens.ada);
  for (const who of Object.keys(PEOPLE)) await as(who).call("POST", `/rooms/${engineering}/join`, {});
  const ship = rooms["Release 2.0"];
  const list = await as("grace").say(
    ship,
    "**Release checklist**\n- migrations rehearsed on a copy\n- runbook read by somebody who did not write it\n- `make chaos` green three times in a row",
  );
  await as("grace").call("PUT", `/rooms/${ship}/messages/${list.seq}/pin`, {});
  await as("edsger").say(ship, "Third chaos run is through: 41 kills, nothing lost, nothing twice.");
  await as("edsger").say(ship, "I would still like to see one more with the network cut in half.");
  const asked = await as("katherine").say(
    ship,
    "@ada can you check the numbers for the load test? I get **2.1 ms** at the 99th percentile.",
  );
  await as("ada").say(ship, "Same here, on two machines.", { reply_to: asked.seq });
  await as("barbara").say(
    ship,
    "One thing about the upgrade note: it should say what happens to clients that were asleep.",
  );
  const note = (await as("ada").call("GET", `/rooms/${ship}/messages?limit=1`)).messages.at(-1);
  for (const [who, text] of [
    ["alan", "They resume, or they are told to start over. Both are tested."],
    ["barbara", "Then let us write exactly that sentence."],
    ["ada", "Done: it is in the note now."],
  ])
    await as(who).say(ship, text, { thread: note.seq });
  const photo = await upload(service, ship, "view from the office.png", dusk, tokens.alan);
  await as("alan").say(ship, "Meanwhile, outside:", { files: [photo] });
  const wow = await as("grace").say(ship, "Ask forgiveness, not permission. But ask for the *review*. 🚢");
  for (const who of ["ada", "alan", "katherine", "barbara"])
    await as(who).call("PUT", `/rooms/${ship}/messages/${wow.seq}/reactions/%F0%9F%9A%80`, {});
  await as("katherine").say(
    rooms.Design,
    "@ada the new empty states are up for review, they should be in the release",
  );
  await as("barbara").say(rooms.Design, "I like the calm of them.");
  await as("edsger").say(rooms.Lunch, "Noodles at half past twelve, to celebrate the release?");
  const ada = (await as("ada").call("GET", "/users/me")).id;
  for (const who of ["katherine", "grace"]) {
    const { room } = await as(who).call("POST", "/rooms/direct", { user: ada });
    await as(who).say(room, who === "grace" ? "Coffee before the release?" : "Thank you for looking!");
  }
  await as("ada").call("PUT", `/rooms/${ship}/preferences`, { favourite: true });
  await as("ada").call("PUT", `/rooms/${rooms.Lunch}/preferences`, { muted: true });
  return { ...tokens, wow: wow.seq, list: list.seq };
}

async function upload(service, room, name, bytes, token) {
  const path = `${service.url}/api/v1/rooms/${room}/files?name=${encodeURIComponent(name)}`;
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/octet-stream" };
  const answer = await fetch(path, { method: "POST", headers, body: bytes });
  assert.ok(answer.ok, `${answer.status}`);
  return (await answer.json()).id;
}

const LOOKS = {
  "desk-light": { ...DESKTOP, colorScheme: "light" },
  "desk-dark": { ...DESKTOP, colorScheme: "dark" },
  "phone-light": { ...PHONE, colorScheme: "light" },
  "phone-dark": { ...PHONE, colorScheme: "dark" },
};

async function shot(page, name) {
  await page.mouse.move(0, 0);
  await page.waitForTimeout(500);
  const path = `${OUT}${name}.png`;
  await page.screenshot({ path, animations: "disabled", caret: "hide" });
}

async function ship(page) {
  await enter(page, "Release 2.0");
  await page.locator("#messages img[src^=blob]").first().waitFor();
}

/** What is pictured of a lively day: each takes a page that is signed in as Ada. */
const LIVELY = {
  rooms: (page) => page.getByRole("link", { name: /^Design/ }).waitFor(),
  room: ship,
  async thread(page) {
    await ship(page);
    await page.getByRole("button", { name: /3 replies/ }).click();
    await page.getByRole("complementary", { name: "Thread" }).getByText("Done: it is in").waitFor();
  },
  async search(page) {
    await page.getByRole("link", { name: "Search messages" }).click();
    await page.locator("#search").fill("release");
    await page.locator("#search").press("Enter");
    await page.getByText(/messages found/).waitFor();
  },
  async waiting(page) {
    await ship(page);
    await page.context().setOffline(true);
    await say(page, "On the train, in the tunnel. This goes out when we are through.");
    await page.getByText("You are offline").first().waitFor();
    await page.locator("#messages").getByText("Waiting for a connection").waitFor();
  },
};

async function pictures(service, browser) {
  for (const [look, device] of Object.entries(LOOKS)) {
    const page = await newPage(browser, { ...device, reducedMotion: "reduce" });
    await page.goto(`${service.url}/app`);
    await page.getByLabel("Username").waitFor();
    if (look === "desk-light" || look === "phone-dark") await shot(page, `entrance-${look}`);
    await signIn(page, service.url, "ada");
    for (const [name, show] of Object.entries(LIVELY)) {
      if (look.startsWith("phone") && !(await page.getByRole("navigation", { name: "Rooms" }).isVisible())) {
        await page.goto(`${service.url}/app`);
      }
      await show(page);
      await shot(page, `${name}-${look}`);
    }
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  }
  for (const look of ["desk-light", "phone-dark"]) {
    const page = await newPage(browser, LOOKS[look]);
    await signIn(page, service.url, "newcomer");
    await page
      .getByText(/Find your people|in no channel yet/)
      .first()
      .waitFor();
    await shot(page, `first-day-${look}`);
    await page.context().close();
  }
}

mkdirSync(OUT, { recursive: true });
const service = await Service.started();
const browser = await launched();
try {
  await livelyDay(service);
  const asked = { username: "newcomer", name: "Hedy Lamarr", password: PASSWORD };
  await service.call("POST", "/auth/register", asked);
  // What is searched is found about a second after it was said.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  await pictures(service, browser);
} finally {
  await browser.close();
  await service.remove();
}
