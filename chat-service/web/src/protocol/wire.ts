/** The shapes of protocol v1 and of REST, under the names that they have there. */

export type Role = "owner" | "admin" | "member" | "guest" | "passer_by" | "visitor" | "outsider";
export type MemberRole = "owner" | "admin" | "member" | "guest";
export type RoomKind = "channel" | "direct" | "open";
export type Visibility = "public" | "private";

export type EntryKind =
  | "create"
  | "message"
  | "edit"
  | "delete"
  | "reaction"
  | "join"
  | "leave"
  | "role"
  | "topic"
  | "name"
  | "settings"
  | "retain"
  | "erase"
  | "pin";

export interface Body {
  text?: string;
  reply_to?: number;
  mentions?: string[];
  /** How somebody of the original protocol calls themselves. */
  name?: string;
  emoji?: string;
  on?: boolean;
  user?: string;
  role?: MemberRole;
  topic?: string;
  upto?: number;
  /** Of the first deletion of a reply: the message that its thread hangs on. */
  thread?: number;
  visibility?: Visibility;
  files?: FileView[];
}

/** A file as messages carry it; sizes in bytes and pixels. */
export interface FileView {
  id: string;
  name: string;
  type: string;
  size: number;
  width?: number;
  height?: number;
  thumbnail: boolean;
}

export interface Entry {
  room: string;
  seq: number;
  id: string;
  kind: EntryKind;
  sender: string;
  ts: number;
  key?: string;
  target?: number;
  redacted?: boolean;
  body?: Body;
}

/** A message as the service folds it; what has its default value is left out. */
export interface FoldedMessage {
  seq: number;
  id: string;
  sender: string;
  ts: number;
  key?: string | null;
  body?: Body;
  edited?: number | null;
  edited_ts?: number | null;
  redacted?: boolean;
  reactions?: Record<string, string[]>;
  /** The message whose thread this one is in. */
  thread?: number | null;
  /** How many messages are in its own thread, and when the last of them was written. */
  replies?: number;
  last_reply_ts?: number | null;
  pinned?: boolean;
}

export interface HistoryPage {
  messages: FoldedMessage[];
  as_of: number;
  /** Whether there are older ones, and whether there are newer ones than these. */
  more: boolean;
  newer?: boolean;
}

/** A message that a search found, and its room. */
export interface Hit {
  room: string;
  message: FoldedMessage;
}

export interface Hits {
  hits: Hit[];
  next: string | null;
}

export interface ThreadPage extends HistoryPage {
  root: FoldedMessage;
  as_of_id: string;
}

export interface PinsPage {
  messages: FoldedMessage[];
  as_of: number;
}

/** How far somebody has read. */
export interface ReadMarker {
  user: string;
  seq: number;
}

export interface Opened {
  room: string;
  role: Role;
  epoch: string;
  last_seq: number;
  last_id: string;
  entries: Entry[];
  more: boolean;
  reset?: HistoryPage | null;
  online: string[];
}

/** What a client says it holds of a room. */
export interface Held {
  after?: number;
  after_id?: string;
  epoch?: string;
}

export interface Receipt {
  seq: number;
  id: string;
  ts: number;
  duplicate: boolean;
}

export interface Person {
  id: string;
  username: string;
  name: string;
  kind: "registered" | "guest";
  admin: boolean;
  active: boolean;
}

export interface SignedIn {
  access_token: string;
  expires_in: number;
  refresh_token: string;
  refresh_expires_in: number;
  user: Person;
}

export interface RoomSummary {
  room: string;
  kind: RoomKind;
  visibility: Visibility;
  name: string;
  topic: string;
  role: Role;
  last_seq: number;
  read_seq: number;
  /** Messages by others that were not read, counted up to a limit of the service. */
  unread: number;
  mentions: number;
  last_message_ts: number | null;
  muted: boolean;
  favourite: boolean;
  with_user: string | null;
}

/** What somebody set for one of their rooms. */
export interface Preferences {
  muted: boolean;
  favourite: boolean;
}

export interface RoomView {
  room: string;
  kind: RoomKind;
  visibility: Visibility;
  history: "all" | "joined";
  guests: boolean;
  name: string;
  topic: string;
  created_ts: number;
  role: Role;
  people: number;
  last_seq: number;
  with_user: string | null;
}

export interface PublicRoom {
  room: string;
  name: string;
  topic: string;
  people?: number;
}

export interface Member {
  user: string;
  role: MemberRole;
  since: number;
  username: string;
  name: string;
  kind: Person["kind"];
  active: boolean;
}

export interface InviteView {
  id: string;
  role: Role;
  creator: string;
  expires: number;
  uses: number;
  max_uses: number;
}

export interface InviteOffer {
  room: string;
  room_name: string;
  role: Role;
  registers: boolean;
  expires: number;
}

export interface SessionView {
  id: string;
  created: number;
  last_used: number;
  expires: number;
  address: string;
  agent: string;
  current: boolean;
}

/** What the server says beside acknowledgements. */
export interface ServerEvents {
  entry: Entry;
  unread: { room: string; last_seq: number; messages: number; mentions: number };
  typing: { room: string; user: string; on: boolean };
  presence: { room: string; user: string; online: boolean };
  read: { room: string; user: string; seq: number };
  preferences: { room: string } & Preferences;
  person: { id: string; username: string; name: string };
  rooms: { room: string; member: boolean; view: RoomView | null };
  notice: Notice;
}

export interface Notice {
  kind:
    "draining" | "shutdown" | "rate_limited" | "resync" | "removed" | "token_expired" | "revoked" | "health";
  room?: string;
  /** Of `health`: what the server lacks at the moment; empty once it has everything again. */
  down?: string[];
  reconnect_after_ms?: number;
  jitter_ms?: number;
}
