"""Entries as documents of the MongoDB collection `entries`, and the texts that its indexes are in the order of.

    _id     room . seq              refuses two entries with one seq
    once    room . sender . key     refuses a repeated key, where the server keeps unique indexes
    line    class . room . seq      messages of the room itself, and the rare kinds, each apart
    about   room . target           what changes a message, and the replies in its thread

Ids hold no dot and seqs are padded, so text sorts by room and then by seq, and `/`, the character after the
dot, ends a room. Entries of no class have no `line`, those without a target no `about`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from chat_service.model.entries import Entry, Kind
from chat_service.model.rooms import STATE_KINDS
from chat_service.storage.mongo import Document
from chat_service.storage.mongo_migrations import Index, MongoMigration

COLLECTION = "entries"

MIGRATIONS = (
    MongoMigration(
        "log-1-entries",
        (
            Index(COLLECTION, "entries_once", (("once", 1),), unique=True),
            Index(COLLECTION, "entries_line", (("line", 1),)),
            Index(COLLECTION, "entries_about", (("about", 1), ("_id", 1))),
        ),
    ),
)

MAIN = "m"
"""The class of messages of the room itself."""

DELETIONS = "d"
REDACTING = "r"
"""The class of retention and erasure, which change the room too."""

STATE = "s"
"""The class of the other kinds that change a room."""

LAST = 10**12 - 1
"""The highest seq that sorts where it belongs."""

_REDACTING_KINDS = frozenset({Kind.RETAIN, Kind.ERASE})
_encoder = msgspec.json.Encoder()


def at(room: str, seq: int) -> str:
    """The `_id` of an entry, or where it would be."""
    return f"{room}.{min(seq, LAST):012d}"


def within(room: str, after: int = 0, upto: int = LAST) -> dict[str, str]:
    """What `_id` must be for `after` < seq <= `upto`."""
    return {"$gt": at(room, after), "$lte": at(room, upto)}


def on_line(line: str, room: str, after: int = 0, upto: int = LAST) -> dict[str, str]:
    """What `line` must be for entries of that class with `after` < seq <= `upto`."""
    return {bound: f"{line}.{place}" for bound, place in within(room, after, upto).items()}


def beyond(line: str, room: str) -> dict[str, str]:
    """What `line` must be for entries of that class in rooms whose id is greater."""
    return {"$gt": f"{line}.{room}/", "$lt": f"{line}/"}


def once(room: str, sender: str, key: str) -> str:
    """What a repeated key repeats."""
    return f"{room}.{sender}.{key}"


def classes(kinds: Collection[Kind]) -> set[str]:
    """The classes of rare kinds. ValueError where one of them is not rare: reading it would scan the room."""
    if not STATE_KINDS.issuperset(kinds):
        raise ValueError("only the kinds that change a room are rare enough to be read by kind")
    return {REDACTING if kind in _REDACTING_KINDS else STATE for kind in kinds}


def place(document: Document) -> tuple[str, int]:
    """Room and seq of the entry in a document."""
    room, _, seq = document["_id"].partition(".")
    return room, int(seq)


def document_of(entry: Entry) -> Document:
    """The document to store. The body is JSON text: what comes back is what went in, whatever its names."""
    document: dict[str, Any] = {
        "_id": at(entry.room, entry.seq),
        "once": once(entry.room, entry.sender, entry.key),
        "id": entry.id,
        "kind": str(entry.kind),
        "sender": entry.sender,
        "own_key": entry.own_key,
        "digest": entry.digest,
        "node": entry.node,
        "ts": entry.ts,
        "body": _encoder.encode(entry.body).decode(),
        "redacted": entry.redacted,
    }
    if line := _line(entry):
        document["line"] = f"{line}.{document['_id']}"
    if entry.target is not None:
        document["target"] = entry.target
        document["about"] = at(entry.room, entry.target)
    return document


def entry_of(document: Document) -> Entry:
    """The entry in a document."""
    room, seq = place(document)
    return Entry(
        room=room,
        seq=seq,
        id=document["id"],
        kind=Kind(document["kind"]),
        sender=document["sender"],
        key=document["once"].split(".", 2)[2],
        own_key=document["own_key"],
        digest=document["digest"],
        node=document["node"],
        ts=document["ts"],
        target=document.get("target"),
        body=msgspec.json.decode(document["body"]),
        redacted=document["redacted"],
    )


def _line(entry: Entry) -> str | None:
    if entry.kind is Kind.MESSAGE:
        return MAIN if entry.target is None else None
    if entry.kind is Kind.DELETE:
        return DELETIONS
    return next(iter(classes([entry.kind]))) if entry.kind in STATE_KINDS else None
