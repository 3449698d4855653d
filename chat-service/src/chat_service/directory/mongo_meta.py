"""What the MongoDB database knows of itself."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from chat_service.model.errors import unavailable
from chat_service.storage.mongo import MongoStore
from chat_service.storage.mongo_migrations import MongoMigration
from chat_service.storage.mongo_visibility import awaited

MIGRATIONS: tuple[MongoMigration, ...] = ()  # its documents are found by `_id`

_INCARNATION = "incarnation"
_SECRET = "secret:"  # noqa: S105 - what the names of secrets begin with


class MongoStoreMeta:
    """`StoreMeta` on a MongoStore.

    The incarnation is the database's name and a random part that is stored in it. A restore goes into a
    database of another name, and so has another incarnation with nothing else done; where it has to go over
    an old one, `new_incarnation` replaces the random part.
    """

    def __init__(self, store: MongoStore) -> None:
        self._database = store.database
        self._meta = store.collection("meta")

    async def incarnation(self) -> str:
        """See StoreMeta."""
        return self._named(await self._first(_INCARNATION, _random_part))

    async def new_incarnation(self) -> str:
        """See StoreMeta."""
        value = _random_part()
        if not await self._meta.insert({"_id": _INCARNATION, "value": value}):
            await self._meta.update_one({"_id": _INCARNATION}, {"$set": {"value": value}})
        return self._named(value)

    async def secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """See StoreMeta."""
        return await self._first(_SECRET + name, make)

    async def _first(self, name: str, make: Callable[[], bytes]) -> bytes:
        stored = await self._meta.find_one({"_id": name})
        if stored is not None:
            return bytes(stored["value"])
        value = make()
        if await self._meta.insert({"_id": name, "value": value}):
            return value
        stored = await awaited(self._meta, {"_id": name})
        if stored is None:
            raise unavailable(
                "Another node has just made a value of the store that is not to be seen yet. Try again."
            )
        return bytes(stored["value"])

    def _named(self, value: bytes) -> str:
        return f"{self._database}-{value.decode()}"


def _random_part() -> bytes:
    return secrets.token_hex(8).encode()
