/** ChatClient: everything of one signed-in person in one tab, put together. */
import { Problem } from "../protocol/problem";
import type { FileRest } from "../protocol/files";
import type { Rest } from "../protocol/rest";
import type { Socket } from "../protocol/socket";
import type {
  Entry,
  HistoryPage,
  Opened,
  Person,
  Preferences,
  Receipt,
  RoomKind,
  ServerEvents,
} from "../protocol/wire";
import type { Clock } from "./clock";
import { Connection } from "./connection";
import { Drafts } from "./drafts";
import { FileBytes, type ByteMeans } from "./file_bytes";
import { History } from "./history";
import { Markers } from "./markers";
import { Observable } from "./observable";
import { Outbox, type Item, type OutboxStorage, type Tabs } from "./outbox";
import { People } from "./people";
import { Pins } from "./pins";
import { Presence } from "./presence";
import { RoomLog } from "./room_log";
import { Rooms } from "./rooms";
import { pause } from "./retrying";
import { Search } from "./search";
import type { Session } from "./session";
import { Threads } from "./threads";
import { OwnTyping, Typing } from "./typing";
import { Uploads } from "./uploads";
import { asEvent } from "./write_events";

export interface ClientMeans {
  me: Person;
  session: Session;
  rest: Rest;
  files: FileRest;
  urls: ByteMeans["urls"];
  socket: Socket;
  clock: Clock;
  outboxStorage: OutboxStorage;
  tabs: Tabs;
  drafts: Storage;
}

const GAP_MS = 1_000;
const LONGEST_OPENING_MS = 10_000;

export class ChatClient extends Observable {
  readonly me: Person;
  readonly rest: Rest;
  readonly rooms: Rooms;
  readonly people: People;
  readonly typing: Typing;
  readonly ownTyping: OwnTyping;
  readonly presence = new Presence();
  readonly drafts: Drafts;
  readonly outbox: Outbox;
  readonly uploads: Uploads;
  readonly bytes: FileBytes;
  readonly threads: Threads;
  readonly pins: Pins;
  readonly markers: Markers;
  readonly search: Search;
  readonly history: History;
  readonly connection: Connection;
  /** What of the service does not answer at the moment: its store, for writing or altogether. */
  lacks: "nothing" | "writing" | "reading" = "nothing";
  /** Why the room that is shown could not be opened. */
  openProblem: Problem | null = null;
  /** Told of every message that comes live into a room that is open. */
  heard: (entry: Entry) => void = () => undefined;
  /** Show a message of a room. The view of that room fills it in. */
  jumpTo: (room: string, seq: number) => void = () => undefined;
  private readonly logs = new Map<string, RoomLog>();
  private shown: string | null = null;
  private opening = false;
  private openings = 0;
  private again = false;
  private wasConnected = false;

  constructor(private readonly means: ClientMeans) {
    super();
    const { me, clock, session, rest } = means;
    this.me = me;
    this.rest = rest;
    this.rooms = new Rooms(() => me.id);
    this.people = new People((ids) => rest.people(ids));
    this.people.add(me);
    this.typing = new Typing(clock);
    this.ownTyping = new OwnTyping(clock, (room, on) => this.sayTyping(room, on));
    this.drafts = new Drafts(me.id, means.drafts);
    this.outbox = new Outbox({
      user: me.id,
      storage: means.outboxStorage,
      tabs: means.tabs,
      clock,
      deliver: (item) => this.deliver(item),
      isSeen: (room, seq) => room !== this.shown || this.log(room).cursor >= seq,
      outcome: (problem) => this.delivered(problem),
    });
    const { files } = means;
    this.uploads = new Uploads({
      upload: (asked) => files.upload(asked),
      takeBack: (file) => files.takeBack(file),
      limits: () => files.limits(),
      drafts: this.drafts,
      clock,
    });
    this.bytes = new FileBytes({ bytes: (file, small) => files.bytes(file, small), urls: means.urls });
    this.threads = new Threads({
      rest,
      clock,
      log: (room) => this.log(room),
      contradicted: (room) => this.contradicted(room),
    });
    this.pins = new Pins({ rest, message: (room, seq) => this.log(room).get(seq) });
    this.markers = new Markers({
      markers: (room) => rest.readMarkers(room),
      people: async (room) => (await rest.room(room)).people,
      me: () => me.id,
    });
    this.search = new Search({ rest, clock });
    this.history = new History({
      log: (room) => this.log(room),
      page: (asked) => this.connection.call<HistoryPage>("room:history", asked),
    });
    this.connection = new Connection({
      socket: means.socket,
      clock,
      access: () => session.access(),
      renew: () => session.renew(),
      event: (name, payload) => this.event(name, payload),
    });
    session.renewed = (token) => void this.authenticate(token);
    this.connection.subscribe(() => this.connectionChanged());
  }

  start(online: boolean): void {
    void this.outbox.restore();
    this.connection.start(online);
  }

  stop(forget: boolean): void {
    this.connection.stop();
    this.uploads.end();
    this.bytes.clear();
    void this.outbox.end(forget);
  }

  /** What is held of a room. */
  log(room: string): RoomLog {
    const known = this.logs.get(room);
    if (known !== undefined) return known;
    const log = new RoomLog(
      room,
      (change) => this.follow(change),
      (begun) => this.began(begun),
    );
    this.logs.set(room, log);
    return log;
  }

  /** Show a room: it is live until another one is shown. */
  show(room: string | null): void {
    if (this.shown === room) return;
    const before = this.shown;
    this.shown = room;
    this.ownTyping.stopped();
    this.setOpenProblem(null);
    if (before !== null) {
      this.log(before).paused();
      if (this.connection.connected) void this.quietly("room:close", { room: before });
    }
    void this.open();
  }

  /** This person has seen a room up to a seq. */
  markRead(room: string, seq: number): void {
    const row = this.rooms.get(room);
    if (row === undefined || seq <= row.read_seq || !this.connection.connected) return;
    this.rooms.read(room, seq);
    void this.quietly("read:mark", { room, seq });
  }

  /** Mute a room, or make it a favourite; shown at once, taken back where it fails. Throws Problem. */
  async prefer(room: string, asked: Partial<Preferences>): Promise<void> {
    const before = this.rooms.get(room);
    if (before === undefined) return;
    this.rooms.prefer(room, asked);
    try {
      this.rooms.prefer(room, await this.rest.setPreferences(room, asked));
    } catch (thrown) {
      this.rooms.prefer(room, before);
      throw thrown;
    }
  }

  /** Read the room list again. */
  async loadRooms(): Promise<void> {
    try {
      this.rooms.replace(await this.rest.rooms());
    } catch (thrown) {
      const problem = Problem.of(thrown);
      if (problem.retryable) this.means.clock.later(5_000, () => void this.loadRooms());
    }
  }

  /** Open the room that is shown again, after what went wrong. */
  reopen(): void {
    void this.open();
  }

  private connectionChanged(): void {
    const { connected } = this.connection;
    if (connected === this.wasConnected) return;
    this.wasConnected = connected;
    this.outbox.setOnline(connected);
    if (connected) {
      this.setLacks("nothing");
      this.people.forgetAsked();
      void this.loadRooms();
      void this.open();
    } else {
      for (const log of this.logs.values()) log.paused();
      this.presence.clear();
    }
    this.changed();
  }

  /** One opening at a time: what is asked for meanwhile is done after it. */
  private async open(): Promise<void> {
    if (this.opening) {
      this.again = true;
      return;
    }
    this.opening = true;
    try {
      await this.openShown();
    } finally {
      this.opening = false;
      if (this.again) {
        this.again = false;
        void this.open();
      }
    }
  }

  private async openShown(): Promise<void> {
    const room = this.shown;
    if (room === null || !this.connection.connected) return;
    const log = this.log(room);
    try {
      do {
        const answer = await this.connection.call<Opened>("room:open", { room, ...log.held() });
        log.opened(answer);
        this.presence.set(room, answer.online);
      } while (!log.live && this.shown === room);
      this.setOpenProblem(null);
      this.opened();
      this.outbox.seen(room, log.cursor);
      void this.markers.load(room, this.rooms.get(room)?.kind ?? kindOf(room));
    } catch (thrown) {
      this.openFailed(room, Problem.of(thrown));
    }
  }

  private openFailed(room: string, problem: Problem): void {
    if (room !== this.shown) return;
    if (problem.retryable) {
      if (problem.code === "unavailable") this.setLacks("reading");
      this.openings += 1;
      const wait = pause(this.openings, LONGEST_OPENING_MS, this.means.clock, problem.retry_after_ms);
      this.means.clock.later(wait, () => void this.open());
      return;
    }
    this.log(room).forget();
    this.setOpenProblem(problem);
  }

  private event<K extends keyof ServerEvents>(name: K, payload: ServerEvents[K]): void {
    const take = this.taking[name] as (payload: ServerEvents[K]) => void;
    take(payload);
  }

  private readonly taking: { [K in keyof ServerEvents]: (payload: ServerEvents[K]) => void } = {
    entry: (entry) => this.receive(entry),
    unread: ({ room, last_seq, messages, mentions }) =>
      this.rooms.unread(room, last_seq, messages, mentions, this.means.clock.now()),
    typing: ({ room, user, on }) => this.typing.heard(room, user, on),
    presence: ({ room, user, online }) => this.presence.heard(room, user, online),
    read: ({ room, user, seq }) => {
      if (user === this.me.id) this.rooms.read(room, seq);
      else this.markers.heard(room, user, seq);
    },
    preferences: ({ room, ...set }) => this.rooms.prefer(room, set),
    person: ({ id, username, name }) => this.people.renamed(id, username, name),
    rooms: ({ room, member, view }) => {
      this.rooms.told(room, member, view);
      if (room === this.shown && view === null) void this.open();
    },
    notice: ({ kind, room }) => {
      if ((kind === "resync" || kind === "removed") && room === this.shown) void this.open();
      if (kind === "token_expired") void this.means.session.renew().catch(() => undefined);
      if (kind === "revoked") this.means.session.end(true);
    },
  };

  private receive(entry: Entry): void {
    const log = this.logs.get(entry.room);
    if (log === undefined || entry.room !== this.shown) return;
    switch (log.receive(entry)) {
      case "contradicts":
        this.contradicted(entry.room);
        break;
      case "early":
        // It may be on its way; where it is not, the log has it.
        this.means.clock.later(GAP_MS, () => log.hasGap && void this.open());
        break;
      case "applied":
        if (entry.kind === "message") this.heard(entry);
        break;
      default:
    }
  }

  /** What is held of a room is of another log: begin anew. */
  private contradicted(room: string): void {
    this.log(room).forget();
    void this.open();
  }

  private follow(entry: Entry): void {
    this.rooms.follow(entry);
    this.threads.take(entry);
    this.pins.take(entry);
    if (entry.kind === "message") this.typing.heard(entry.room, entry.sender, false);
    const own = entry.sender === this.me.id;
    this.outbox.seen(entry.room, entry.seq, own ? entry.key : undefined);
  }

  private began(log: RoomLog): void {
    for (const { sender, key, seq } of log.newest) {
      if (sender === this.me.id && key !== null) this.outbox.seen(log.room, seq, key);
    }
    this.threads.began(log.room);
    this.pins.began(log.room);
  }

  private deliver(item: Item): Promise<Receipt> {
    return this.connection.call<Receipt>(...asEvent(item));
  }

  private opened(): void {
    this.openings = 0;
    if (this.lacks === "reading") this.setLacks("nothing");
  }

  private delivered(problem: Problem | null): void {
    // A store that hangs may not even be said to be away in time.
    const unanswered = problem?.code === "unanswered" && this.connection.connected;
    if (problem?.code === "unavailable" || unanswered)
      this.setLacks(this.lacks === "reading" ? "reading" : "writing");
    // What is refused for another reason that passes says nothing of the store.
    else if (problem === null || !problem.retryable) this.setLacks("nothing");
  }

  private setLacks(lacks: ChatClient["lacks"]): void {
    if (lacks === this.lacks) return;
    this.lacks = lacks;
    this.changed();
  }

  private setOpenProblem(problem: Problem | null): void {
    this.openProblem = problem;
    this.changed();
  }

  private async authenticate(token: string): Promise<void> {
    if (this.connection.connected) await this.quietly("auth:refresh", { token });
  }

  private sayTyping(room: string, on: boolean): void {
    if (this.connection.connected && room === this.shown) void this.quietly("typing", { room, on });
  }

  /** What may be lost without harm. */
  private async quietly(event: string, payload: object): Promise<void> {
    await this.connection.call(event, payload).catch(() => undefined);
  }
}

/** A room's id begins with what it is. */
function kindOf(room: string): RoomKind {
  return room.startsWith("d") ? "direct" : room.startsWith("o") ? "open" : "channel";
}
