"""A room as folded from its log: who is in it, what it is called, what has been redacted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from chat_service.model.entries import EMPTY, Entry, Head, Kind
from chat_service.model.ids import SYSTEM_SENDER, USER_GUEST, USER_LEGACY
from chat_service.model.permissions import MEMBER_ROLES, Action, Role, allowed


class RoomKind(StrEnum):
    """A channel, a direct-message room of two, or an open room of the original protocol."""

    CHANNEL = "channel"
    DIRECT = "direct"
    OPEN = "open"


class Visibility(StrEnum):
    """Public rooms can be found, read and joined by every registered person; private ones cannot."""

    PUBLIC = "public"
    PRIVATE = "private"


class HistoryAccess(StrEnum):
    """How far back a member reads: everything, or from joining on."""

    ALL = "all"
    JOINED = "joined"


PINS_MOST = 100
"""Pinned messages that a room keeps: one more takes the place of the one pinned longest."""


@dataclass(slots=True, frozen=True)
class Member:
    """Somebody's place in a room: the role, and the seq of the join that let them in."""

    role: Role
    since: int


@dataclass(slots=True)
class RoomState:
    """What a room is after its entries up to `head`.

    Built by `apply`, entry after entry, or from a directory snapshot and `catch_up`; equal logs give equal
    states. `retained_upto` and `erased` are the ranges that redactions took from view. `pins` are the seqs of
    pinned messages, the newest pin last. `retention_days` is how long messages are kept, 0 without an end.
    """

    room: str
    head: Head = EMPTY
    first_id: str = ""
    kind: RoomKind = RoomKind.CHANNEL
    visibility: Visibility = Visibility.PRIVATE
    history: HistoryAccess = HistoryAccess.ALL
    guests: bool = False
    name: str = ""
    topic: str = ""
    created_ts: int = 0
    members: dict[str, Member] = field(default_factory=dict)
    retained_upto: int = 0
    erased: dict[str, int] = field(default_factory=dict)
    pins: list[int] = field(default_factory=list)
    retention_days: int = 0

    @property
    def exists(self) -> bool:
        """Whether the room has its first entry."""
        return self.head.seq > 0

    def role_of(self, user: str) -> Role:
        """What `user` is to this room now."""
        member = self.members.get(user)
        if member is not None:
            return member.role
        if self.kind is RoomKind.OPEN and self.guests and user[:1] == USER_LEGACY:
            return Role.PASSER_BY
        if self.visibility is Visibility.PUBLIC and user[:1] not in {USER_GUEST, USER_LEGACY}:
            return Role.VISITOR
        return Role.OUTSIDER

    def permits(self, user: str, action: Action) -> bool:
        """Whether `user` may do `action` here now."""
        return allowed(self.role_of(user), action, direct=self.kind is RoomKind.DIRECT)

    def readable_from(self, user: str) -> int:
        """The first seq that `user` may read, where reading is permitted at all."""
        member = self.members.get(user)
        if member is None or self.history is HistoryAccess.ALL:
            return 1
        return member.since

    def owners(self) -> int:
        """How many owners the room has."""
        return sum(1 for member in self.members.values() if member.role is Role.OWNER)

    def apply(self, entry: Entry) -> None:
        """Fold the next entry in. Raises ValueError where `entry` is not the next one of this room."""
        if entry.room != self.room or entry.seq != self.head.seq + 1:
            raise ValueError(f"expected entry {self.head.seq + 1} of {self.room}, got {entry.seq} of {entry.room}")
        self._fold(entry)
        self.head = Head(entry.seq, entry.id)

    def catch_up(self, entries: Iterable[Entry], head: Head) -> None:
        """Bring a snapshot up to `head`.

        `entries` are those after the snapshot that change a room (`STATE_KINDS`), ascending. Rows of the
        snapshot may be ahead of it: every such entry overwrites what it speaks of, so folding it twice is
        the same as once.
        """
        for entry in entries:
            self._fold(entry)
        self.head = head

    def _fold(self, entry: Entry) -> None:
        fold = _FOLDS.get(entry.kind)
        if fold is not None:
            fold(self, entry)


def _create(state: RoomState, entry: Entry) -> None:
    body = entry.body
    state.first_id = entry.id
    state.created_ts = entry.ts
    state.kind = RoomKind(body["kind"])
    _settings(state, entry)
    state.name = body.get("name", "")
    state.topic = body.get("topic", "")
    if state.kind is RoomKind.DIRECT:
        for user in body["members"]:
            state.members[user] = Member(Role.MEMBER, entry.seq)
    elif entry.sender != SYSTEM_SENDER:
        state.members[entry.sender] = Member(Role.OWNER, entry.seq)


def _settings(state: RoomState, entry: Entry) -> None:
    body: dict[str, Any] = entry.body
    if "visibility" in body:
        state.visibility = Visibility(body["visibility"])
    if "history" in body:
        state.history = HistoryAccess(body["history"])
    if "guests" in body:
        state.guests = bool(body["guests"])
    if "retention_days" in body:
        state.retention_days = int(body["retention_days"])


def _join(state: RoomState, entry: Entry) -> None:
    user: str = entry.body["user"]
    if user not in state.members:
        role = Role(entry.body["role"])
        state.members[user] = Member(role if role in MEMBER_ROLES else Role.MEMBER, entry.seq)


def _leave(state: RoomState, entry: Entry) -> None:
    state.members.pop(entry.body["user"], None)


def _role(state: RoomState, entry: Entry) -> None:
    user: str = entry.body["user"]
    member = state.members.get(user)
    if member is not None:
        state.members[user] = Member(Role(entry.body["role"]), member.since)


def _topic(state: RoomState, entry: Entry) -> None:
    state.topic = entry.body["topic"]


def _name(state: RoomState, entry: Entry) -> None:
    state.name = entry.body["name"]


def _pin(state: RoomState, entry: Entry) -> None:
    if entry.target is None:
        return
    others = [seq for seq in state.pins if seq != entry.target]
    state.pins = [*others, entry.target][-PINS_MOST:] if entry.body["on"] else others


def _retain(state: RoomState, entry: Entry) -> None:
    state.retained_upto = max(state.retained_upto, entry.body["upto"])


def _erase(state: RoomState, entry: Entry) -> None:
    user: str = entry.body["user"]
    state.erased[user] = max(state.erased.get(user, 0), entry.body["upto"])


_FOLDS = {
    Kind.CREATE: _create,
    Kind.SETTINGS: _settings,
    Kind.JOIN: _join,
    Kind.LEAVE: _leave,
    Kind.ROLE: _role,
    Kind.TOPIC: _topic,
    Kind.NAME: _name,
    Kind.PIN: _pin,
    Kind.RETAIN: _retain,
    Kind.ERASE: _erase,
}

STATE_KINDS = frozenset(_FOLDS)
"""The kinds that change what a `RoomState` says."""
