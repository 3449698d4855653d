/** Rest: what is asked of the service over HTTP. */
import { Problem, problemIn } from "./problem";
import type {
  Hits,
  InviteOffer,
  InviteView,
  Member,
  MemberRole,
  Person,
  PinsPage,
  Preferences,
  PublicRoom,
  ReadMarker,
  Receipt,
  RoomSummary,
  RoomView,
  SessionView,
  SignedIn,
  ThreadPage,
  Visibility,
} from "./wire";

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
export type Ask = (method: Method, path: string, body?: unknown, token?: string) => Promise<unknown>;

export interface RoomSettings {
  name?: string;
  topic?: string;
  visibility?: Visibility;
  history?: "all" | "joined";
  guests?: boolean;
}

/** A request as fetch makes it; `origin` is empty in a page and an address in tests. */
export function ask(origin: string, fetching: typeof fetch = (...args) => fetch(...args)): Ask {
  return async (method, path, body, token) => {
    const headers: Record<string, string> = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (token !== undefined) headers["Authorization"] = `Bearer ${token}`;
    let answer: Response;
    try {
      const content = body === undefined ? {} : { body: JSON.stringify(body) };
      answer = await fetching(`${origin}/api/v1${path}`, { method, headers, cache: "no-store", ...content });
    } catch {
      throw Problem.unanswered("The server cannot be reached.");
    }
    const text = await answer.text().catch(() => "");
    const read = parsed(text);
    if (answer.ok) return read;
    throw problemIn(read, {
      code: answer.status >= 500 ? "unavailable" : "invalid",
      message: `The server answered ${answer.status}.`,
      retryable: answer.status >= 500,
    });
  };
}

function parsed(text: string): unknown {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

/** What needs no session. */
export class Doors {
  constructor(private readonly ask: Ask) {}

  async signIn(username: string, password: string): Promise<SignedIn> {
    return (await this.ask("POST", "/auth/sign-in", { username, password })) as SignedIn;
  }

  async register(asked: {
    username: string;
    password: string;
    name?: string;
    invite?: string;
  }): Promise<SignedIn> {
    return (await this.ask("POST", "/auth/register", asked)) as SignedIn;
  }

  async enterAsGuest(name: string): Promise<SignedIn> {
    return (await this.ask("POST", "/auth/guest", { name })) as SignedIn;
  }

  async refresh(refresh_token: string): Promise<SignedIn> {
    return (await this.ask("POST", "/auth/refresh", { refresh_token })) as SignedIn;
  }

  async invite(token: string): Promise<InviteOffer> {
    return (await this.ask("GET", `/invites/${encodeURIComponent(token)}`)) as InviteOffer;
  }
}

/** What is asked as somebody signed in; `token` gives a valid access token. */
export class Rest {
  constructor(
    private readonly ask: Ask,
    private readonly token: () => Promise<string>,
  ) {}

  private async call<T>(method: Method, path: string, body?: unknown): Promise<T> {
    return (await this.ask(method, path, body, await this.token())) as T;
  }

  rooms = async (): Promise<RoomSummary[]> =>
    (await this.call<{ rooms: RoomSummary[] }>("GET", "/rooms")).rooms;
  room = (room: string): Promise<RoomView> => this.call("GET", `/rooms/${room}`);
  join = (room: string): Promise<RoomView> => this.call("POST", `/rooms/${room}/join`, {});
  leave = (room: string): Promise<Receipt> => this.call("POST", `/rooms/${room}/leave`, {});
  openDirect = (user: string): Promise<RoomView> => this.call("POST", "/rooms/direct", { user });

  createRoom(settings: RoomSettings, key: string): Promise<RoomView> {
    return this.call("POST", "/rooms", { ...settings, key });
  }

  changeRoom(room: string, settings: RoomSettings): Promise<RoomView> {
    return this.call("PATCH", `/rooms/${room}`, settings);
  }

  publicRooms(q: string, after: string | null): Promise<{ rooms: PublicRoom[]; next: string | null }> {
    const query = new URLSearchParams({ q, limit: "50" });
    if (after !== null) query.set("after", after);
    return this.call("GET", `/rooms/public?${query}`);
  }

  members(room: string, after: string | null): Promise<{ members: Member[]; next: string | null }> {
    const query = new URLSearchParams({ limit: "100" });
    if (after !== null) query.set("after", after);
    return this.call("GET", `/rooms/${room}/members?${query}`);
  }

  addMember = (room: string, user: string): Promise<Receipt> =>
    this.call("POST", `/rooms/${room}/members`, { user });
  setRole = (room: string, user: string, role: MemberRole): Promise<Receipt> =>
    this.call("PATCH", `/rooms/${room}/members/${user}`, { role });
  removeMember = (room: string, user: string): Promise<Receipt> =>
    this.call("DELETE", `/rooms/${room}/members/${user}`);

  /** A page of a thread: the newest, or the one before a seq. */
  thread(room: string, root: number, before: number | null): Promise<ThreadPage> {
    const query = new URLSearchParams({ limit: "50" });
    if (before !== null) query.set("before", `${before}`);
    return this.call("GET", `/rooms/${room}/threads/${root}?${query}`);
  }

  pins = (room: string): Promise<PinsPage> => this.call("GET", `/rooms/${room}/pins`);
  readMarkers = async (room: string): Promise<ReadMarker[]> =>
    (await this.call<{ markers: ReadMarker[] }>("GET", `/rooms/${room}/read-markers`)).markers;

  setPreferences = (room: string, asked: Partial<Preferences>): Promise<{ room: string } & Preferences> =>
    this.call("PUT", `/rooms/${room}/preferences`, asked);

  /** A page of what is found, the newest first: the first one, or the one that `before` names. */
  search(q: string, before: string | null): Promise<Hits> {
    const query = new URLSearchParams({ q, limit: "20" });
    if (before !== null) query.set("before", before);
    return this.call("GET", `/search?${query}`);
  }

  makeInvite(room: string, asked: { role: "member" | "guest"; lifetime_s: number; max_uses: number }) {
    return this.call<{ token: string; invite: InviteView }>("POST", `/rooms/${room}/invites`, asked);
  }

  invites = async (room: string): Promise<InviteView[]> =>
    (await this.call<{ invites: InviteView[] }>("GET", `/rooms/${room}/invites`)).invites;
  revokeInvite = (room: string, invite: string): Promise<null> =>
    this.call("DELETE", `/rooms/${room}/invites/${invite}`);
  acceptInvite = (token: string): Promise<RoomView> =>
    this.call("POST", `/invites/${encodeURIComponent(token)}/accept`, {});

  people = async (ids: string[]): Promise<Person[]> =>
    (await this.call<{ users: Person[] }>("POST", "/users/lookup", { ids })).users;
  me = (): Promise<Person> => this.call("GET", "/users/me");
  rename = (name: string): Promise<Person> => this.call("PATCH", "/users/me", { name });

  async findPeople(q: string): Promise<Person[]> {
    const query = new URLSearchParams({ q, limit: "20" });
    return (await this.call<{ users: Person[] }>("GET", `/users?${query}`)).users;
  }

  sessions = async (): Promise<SessionView[]> =>
    (await this.call<{ sessions: SessionView[] }>("GET", "/auth/sessions")).sessions;
  endSession = (session: string): Promise<null> => this.call("DELETE", `/auth/sessions/${session}`);
  endOtherSessions = (): Promise<{ ended: number }> => this.call("DELETE", "/auth/sessions");
  changePassword = (current: string, next: string): Promise<null> =>
    this.call("POST", "/auth/password", { current, new: next });
  signOut = (): Promise<null> => this.call("POST", "/auth/sign-out");
}
