/** Where the page begins. */
import { mount } from "svelte";
import "./styles/tokens.css";
import "./styles/base.css";
import { ask, Doors } from "./protocol/rest";
import { realClock } from "./store/clock";
import { browserTokens, Session } from "./store/session";
import { exclusively } from "./store/tabs";
import App from "./ui/App.svelte";
import { HOME, Navigation, read } from "./ui/navigation";
import { showTheme } from "./ui/theme";

showTheme();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);

const doors = new Doors(ask(""));
const session = new Session({
  storage: browserTokens,
  clock: realClock,
  exclusively,
  refresh: (token) => doors.refresh(token),
});
const navigation = new Navigation(window);
if (read(location.pathname, location.hash, location.search).kind === "home") navigation.go(HOME, true);

const target = document.getElementById("app");
if (target !== null) mount(App, { target, props: { session, doors, navigation } });
