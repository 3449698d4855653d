"""What a conflict has shown to be stored, waited for until a majority read sees it."""

from __future__ import annotations

import asyncio

from chat_service.storage.mongo import Document, MongoCollection, Where

VISIBLE_S = 1.0
"""How long it is waited for. A majority has a write milliseconds after the primary, unless members are away."""

_POLL_S = 0.02


async def awaited(collection: MongoCollection, *any_of: Where) -> Document | None:
    """The document that matches one of `any_of`, asked for again and again; None if none is seen in time."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + VISIBLE_S
    while clock.time() < deadline:
        for where in any_of:
            if found := await collection.find_one(where):
                return found
        await asyncio.sleep(_POLL_S)
    return None
