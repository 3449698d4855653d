"""Attempts in MongoDB: one document, a counter, for each key and window."""

from __future__ import annotations

from chat_service.storage.mongo import MongoStore
from chat_service.storage.mongo_migrations import Index, MongoMigration

MIGRATIONS = (
    MongoMigration(
        "people-4-attempts",
        (
            Index("attempts", "attempts_key", (("key", 1),)),
            Index("attempts", "attempts_until", (("until", 1),)),
        ),
    ),
)


class MongoAttemptRows:
    """`AttemptRows` on a MongoStore."""

    def __init__(self, store: MongoStore) -> None:
        self._attempts = store.collection("attempts")

    async def take_attempt(self, key: str, until: int, limit: int) -> bool:
        """See AttemptRows.

        The counter goes up in one step while it is below `limit`. Where there is none it is made with this
        attempt in it; of several that do so at once its `_id` refuses all but one, who then count theirs.
        """
        id_ = _id(key, until)
        if await self._count(id_, limit):
            return True
        if await self._attempts.insert({"_id": id_, "key": key, "until": until, "count": 1}):
            return True
        return await self._count(id_, limit)

    async def give_back_attempt(self, key: str, until: int) -> None:
        """See AttemptRows."""
        await self._attempts.update_one({"_id": _id(key, until), "count": {"$gt": 0}}, {"$inc": {"count": -1}})

    async def clear_attempts(self, key: str) -> None:
        """See AttemptRows."""
        await self._attempts.delete_many({"key": key})

    async def sweep_attempts(self, now: int) -> None:
        """Drop windows that are over."""
        await self._attempts.delete_many({"until": {"$lte": now}})

    async def _count(self, id_: str, limit: int) -> bool:
        return await self._attempts.update_one({"_id": id_, "count": {"$lt": limit}}, {"$inc": {"count": 1}})


def _id(key: str, until: int) -> str:
    return f"{until:012d} {key}"
