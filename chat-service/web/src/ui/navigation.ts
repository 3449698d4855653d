/** Navigation: which view the address bar names. */
import { Observable } from "../store/observable";

export type Route = { kind: "home" } | { kind: "room"; room: string } | { kind: "invite"; token: string };

export const HOME = "/app";
export const roomPath = (room: string): string => `/app/rooms/${room}`;
export const invitePath = (token: string): string => `/invite/${token}`;

export function read(path: string): Route {
  const room = /^\/app\/rooms\/([cdo][a-z2-7]{21})$/.exec(path)?.[1];
  if (room !== undefined) return { kind: "room", room };
  const token = /^\/invite\/([\w-]+)$/.exec(path)?.[1];
  return token === undefined ? { kind: "home" } : { kind: "invite", token };
}

export class Navigation extends Observable {
  route: Route;

  constructor(private readonly page: Window) {
    super();
    this.route = read(page.location.pathname);
    page.addEventListener("popstate", () => this.look());
  }

  go(path: string, replace = false): void {
    if (path === this.page.location.pathname) return;
    if (replace) this.page.history.replaceState(null, "", path);
    else this.page.history.pushState(null, "", path);
    this.look();
  }

  private look(): void {
    this.route = read(this.page.location.pathname);
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
