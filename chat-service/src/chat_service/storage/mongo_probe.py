"""What is tried on a MongoDB-protocol server before it is used: docs promise less than servers do."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chat_service.storage.mongo import Document, MongoCollection

ONCE = (("once", 1),)
_LEFT_OVER_MS = 3_600_000  # whatever a probe of an hour ago left behind, nobody looks at any more


async def check_server(collection: MongoCollection, size: int) -> bool:
    """Make sure that an ordered insert of `size` stops at a conflict; return whether unique indexes are kept.

    Uses documents of its own in `collection` and removes them, so nodes that start together do not meet.
    Raises RuntimeError where the server goes on after a conflict: it would leave holes in the log.
    """
    now = time.time_ns() // 1_000_000
    mine = f"{now:015d}-{secrets.token_hex(8)}"
    unique = await collection.create_index("once", ONCE, unique=True)
    try:
        if not await _stops_at_conflict(collection, mine, size):
            raise RuntimeError(
                "The MongoDB server went on after a conflict in an ordered insert. Such a server would leave"
                " holes in rooms: docs/mongodb.md lists those that can be used."
            )
        return unique and not await collection.insert(_document(mine, -1, once=0))
    finally:
        await collection.delete_many({"_id": {"$gte": f"{mine}.", "$lt": f"{mine}/"}})
        await collection.delete_many({"_id": {"$lt": f"{now - _LEFT_OVER_MS:015d}"}})


async def _stops_at_conflict(collection: MongoCollection, mine: str, size: int) -> bool:
    """Whether an ordered insert of `size` documents whose second is taken stores the first and no other."""
    await collection.insert(_document(mine, 1))
    stored = await collection.insert_ordered([_document(mine, number) for number in range(size)])
    within = {"_id": {"$gte": f"{mine}.", "$lt": f"{mine}/"}}
    found = await collection.find(within, sort=(("_id", 1),), limit=size, fields=["_id"])
    return stored == 1 and [document["_id"] for document in found] == [_id(mine, 0), _id(mine, 1)]


def _document(mine: str, number: int, once: int | None = None) -> Document:
    return {"_id": _id(mine, number), "once": _id(mine, number if once is None else once)}


def _id(mine: str, number: int) -> str:
    return f"{mine}.{number:04d}"
