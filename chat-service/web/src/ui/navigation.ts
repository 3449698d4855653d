/** Navigation: which view the address bar names. */
import { Observable } from "../store/observable";

export type Route =
  | { kind: "home" }
  /** `thread` is the seq of the message whose thread is open beside the room. */
  | { kind: "room"; room: string; thread?: number }
  | { kind: "invite"; token: string };

export const HOME = "/app";
export const roomPath = (room: string): string => `/app/rooms/${room}`;
export const threadPath = (room: string, seq: number): string => `${roomPath(room)}#thread-${seq}`;
export const invitePath = (token: string): string => `/invite/${token}`;

export function read(path: string, hash = ""): Route {
  const room = /^\/app\/rooms\/([cdo][a-z2-7]{21})$/.exec(path)?.[1];
  const thread = /^#thread-([1-9]\d{0,15})$/.exec(hash)?.[1];
  if (room !== undefined && thread !== undefined) return { kind: "room", room, thread: Number(thread) };
  if (room !== undefined) return { kind: "room", room };
  const token = /^\/invite\/([\w-]+)$/.exec(path)?.[1];
  return token === undefined ? { kind: "home" } : { kind: "invite", token };
}

export class Navigation extends Observable {
  route: Route;

  constructor(private readonly page: Window) {
    super();
    this.route = read(page.location.pathname, page.location.hash);
    page.addEventListener("popstate", () => this.look());
  }

  go(path: string, replace = false): void {
    const { pathname, hash } = this.page.location;
    if (path === pathname + hash) return;
    if (replace) this.page.history.replaceState(null, "", path);
    else this.page.history.pushState(null, "", path);
    this.look();
  }

  private look(): void {
    const { pathname, hash } = this.page.location;
    const route = read(pathname, hash);
    const before = this.route;
    // The links that skip to a part of the page have a hash of their own: what is open stays open.
    const skipped = hash !== "" && route.kind === "room" && route.thread === undefined;
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
  navigation.go(new URL(link.href).pathname);
}
