"""Entries: what a room's append-only log is made of, and how they look on the wire."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class Kind(StrEnum):
    """What an entry says happened in the room."""

    CREATE = "create"
    MESSAGE = "message"
    EDIT = "edit"
    DELETE = "delete"
    REACTION = "reaction"
    PIN = "pin"
    JOIN = "join"
    LEAVE = "leave"
    ROLE = "role"
    TOPIC = "topic"
    NAME = "name"
    SETTINGS = "settings"
    RETAIN = "retain"
    ERASE = "erase"


TARGETING = frozenset({Kind.EDIT, Kind.DELETE, Kind.REACTION, Kind.PIN})
"""Kinds that change how one earlier message looks, and point at it by its sequence number."""

REDACTING = frozenset({Kind.DELETE, Kind.RETAIN, Kind.ERASE})
"""Kinds after which earlier bodies are no longer shown to anyone."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a room's log.

    `seq` counts 1, 2, 3 … without holes. `id` is random. `key` is the client's idempotency key, or one that
    the server made (`own_key` false). `digest` is the keyed digest of the request, hexadecimal. `ts` is the
    server's clock in milliseconds since 1970. `target` is the seq that edits, deletions, reactions and pins
    point at, and of a reply in a thread the message that the thread hangs on; retention and erasure carry
    their range in `body` ({upto} and {user, upto}).
    """

    room: str
    seq: int
    id: str
    kind: Kind
    sender: str
    key: str
    digest: str
    node: str
    ts: int
    target: int | None = None
    body: dict[str, Any] = {}
    own_key: bool = True
    redacted: bool = False

    def masked(self) -> Entry:
        """The same entry with its body gone: what is shown of it after a redaction."""
        return self if self.redacted else msgspec.structs.replace(self, body={}, redacted=True)


class Head(msgspec.Struct, frozen=True):
    """Where a log ends: the last entry's seq and id. (0, "") is a room that does not exist yet."""

    seq: int
    id: str


EMPTY = Head(0, "")


def wire(entry: Entry) -> dict[str, Any]:
    """The entry as clients see it: without digest and node, with its key where a client made it."""
    shape: dict[str, Any] = {
        "room": entry.room,
        "seq": entry.seq,
        "id": entry.id,
        "kind": str(entry.kind),
        "sender": entry.sender,
        "ts": entry.ts,
    }
    if entry.own_key:
        shape["key"] = entry.key
    if entry.target is not None:
        shape["target"] = entry.target
    if entry.redacted:
        shape["redacted"] = True
    else:
        shape["body"] = entry.body
    return shape


def encode(entry: Entry) -> bytes:
    """The wire form as JSON bytes: made once, sent to every reader."""
    return msgspec.json.encode(wire(entry))
