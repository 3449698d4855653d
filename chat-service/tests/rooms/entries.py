"""Entries and writes as the tests of rooms make them: short, and numbered by who asks."""

from __future__ import annotations

from typing import Any

from chat_service.model import ids
from chat_service.model.entries import Entry, Kind
from chat_service.model.writes import Write, digest_of

ROOM = "c" + "a" * 21
OTHER_ROOM = "c" + "b" * 21


def person(name: str) -> str:
    """The user id of a registered person of that name."""
    return (ids.USER_REGISTERED + name + "a" * 15)[:16]


def guest(name: str) -> str:
    """The user id of a guest of that name."""
    return (ids.USER_GUEST + name + "a" * 15)[:16]


ALICE, BOB, CAROL, DAVE = person("alice"), person("bob"), person("carol"), person("dave")


def entry(seq: int, kind: Kind = Kind.MESSAGE, body: dict[str, Any] | None = None, **changes: Any) -> Entry:
    """One entry of ROOM; a message of Alice where nothing else is said."""
    if body is None:
        body = {"text": f"text {seq}"} if kind is Kind.MESSAGE else {}
    known: dict[str, Any] = {
        "room": ROOM,
        "id": f"id{seq}",
        "sender": ALICE,
        "key": f"key{seq}",
        "digest": f"{seq:032x}",
        "node": "node-a",
        "ts": 1_800_000_000_000 + seq,
    }
    return Entry(seq=seq, kind=kind, body=body, **(known | changes))


def created(room: str = ROOM, **body: Any) -> Entry:
    """Entry 1: Alice's private channel."""
    given = {"kind": "channel", "name": "A room", "topic": "", "visibility": "private", "history": "all"}
    return entry(1, Kind.CREATE, given | {"guests": False} | body, room=room)


def joined(seq: int, user: str, role: str = "member", **changes: Any) -> Entry:
    """Alice lets somebody in."""
    return entry(seq, Kind.JOIN, {"user": user, "role": role}, **changes)


def write(
    kind: Kind,
    sender: str,
    key: str,
    body: dict[str, Any] | None = None,
    target: int | None = None,
) -> Write:
    """A request as the edge hands it to the writer."""
    body = body or {}
    return Write(kind, sender, key, digest_of(b"secret", kind, target, body), body, target)


def say(sender: str, key: str, text: str = "hello", **more: Any) -> Write:
    """A message."""
    return write(Kind.MESSAGE, sender, key, {"text": text, **more})
