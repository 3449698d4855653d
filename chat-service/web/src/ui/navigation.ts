/** Navigation: which view the address bar names. */
import { Observable } from "../store/observable";

export type Route =
  | { kind: "home" }
  /** `thread` is the message whose thread is open beside the room, `at` the one that is looked at: their seqs. */
  | { kind: "room"; room: string; thread?: number; at?: number }
  | { kind: "search"; query: string }
  | { kind: "invite"; token: string };

export const HOME = "/app";
export const roomPath = (room: string): string => `/app/rooms/${room}`;
/** `at` is the reply in it that is looked at. */
export const threadPath = (room: string, seq: number, at?: number): string =>
  `${roomPath(room)}#thread-${seq}${at === undefined ? "" : `-${at}`}`;
export const messagePath = (room: string, seq: number): string => `${roomPath(room)}#message-${seq}`;
export const searchPath = (query = ""): string =>
  query === "" ? "/app/search" : `/app/search?q=${encodeURIComponent(query)}`;
export const invitePath = (token: string): string => `/invite/${token}`;

export function read(path: string, hash = "", query = ""): Route {
  const room = /^\/app\/rooms\/([cdo][a-z2-7]{21})$/.exec(path)?.[1];
  if (room !== undefined) return { kind: "room", room, ...part(hash) };
  if (path === "/app/search") return { kind: "search", query: new URLSearchParams(query).get("q") ?? "" };
  const token = /^\/invite\/([\w-]+)$/.exec(path)?.[1];
  return token === undefined ? { kind: "home" } : { kind: "invite", token };
}

function part(hash: string): { thread?: number; at?: number } {
  const [, thread, reply] = /^#thread-([1-9]\d{0,15})(?:-([1-9]\d{0,15}))?$/.exec(hash) ?? [];
  if (thread !== undefined)
    return { thread: Number(thread), ...(reply === undefined ? {} : { at: Number(reply) }) };
  const at = /^#message-([1-9]\d{0,15})$/.exec(hash)?.[1];
  return at === undefined ? {} : { at: Number(at) };
}

export class Navigation extends Observable {
  route: Route;

  constructor(private readonly page: Window) {
    super();
    const { pathname, hash, search } = page.location;
    this.route = read(pathname, hash, search);
    page.addEventListener("popstate", () => this.look());
  }

  go(path: string, replace = false): void {
    const { pathname, hash, search } = this.page.location;
    if (path === pathname + search + hash) return;
    if (replace) this.page.history.replaceState(null, "", path);
    else this.page.history.pushState(null, "", path);
    this.look();
  }

  private look(): void {
    const { pathname, hash, search } = this.page.location;
    const route = read(pathname, hash, search);
    const before = this.route;
    // The links that skip to a part of the page have a hash of their own: what is open stays open.
    const skipped =
      hash !== "" && route.kind === "room" && route.thread === undefined && route.at === undefined;
    const same = before.kind === "room" && route.kind === "room" && before.room === route.room;
    if (!(skipped && same)) this.route = route;
    this.changed();
  }
}

/** For `onclick` of a link: the ordinary click stays in the page, any other is the browser's. */
export function followed(navigation: Navigation, event: MouseEvent): void {
  const link = (event.currentTarget as HTMLElement).closest("a");
  if (link === null || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  const { pathname, search, hash } = new URL(link.href);
  navigation.go(pathname + search + hash);
}
