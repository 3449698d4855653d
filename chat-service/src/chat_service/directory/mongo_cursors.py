"""The cursors of jobs in MongoDB: one document for each job and room."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from chat_service.directory.mongo_rows import batches, find_among
from chat_service.storage.mongo import MongoStore
from chat_service.storage.mongo_migrations import Index, MongoMigration

MIGRATIONS = (
    MongoMigration("cursors-1-jobs", (Index("job_cursors", "job_cursors_job", (("job", 1), ("room", 1))),)),
)

PAGE = 100


class MongoJobCursors:
    """`JobCursors` on a MongoStore."""

    def __init__(self, store: MongoStore) -> None:
        self._cursors = store.collection("job_cursors")

    async def of(self, job: str, rooms: Collection[str]) -> dict[str, int]:
        """See JobCursors."""
        found = await find_among(self._cursors, "_id", [_pair(job, room) for room in rooms], ["room", "seq"])
        return {row["room"]: int(row["seq"]) for row in found}

    async def advance(self, job: str, room: str, at: int, to: int) -> bool:
        """See JobCursors. The `_id` of a first cursor refuses a second one; a later one is moved by comparison."""
        if at == 0 and await self._cursors.insert(_row(job, room, to)):
            return True
        return await self._cursors.update_one({"_id": _pair(job, room), "seq": at}, {"$set": {"seq": to}})

    async def put(self, job: str, cursors: Mapping[str, int]) -> None:
        """See JobCursors."""
        for batch in batches([_row(job, room, seq) for room, seq in cursors.items()]):
            taken = await self._cursors.insert_each(batch)
            there = [batch[position] for position in taken]
            await self._cursors.update_each(
                [({"_id": row["_id"]}, {"$set": {"seq": row["seq"]}}) for row in there]
            )

    async def forget(self, job: str) -> None:
        """See JobCursors."""
        while found := await self._cursors.find({"job": job}, sort=(("room", 1),), limit=PAGE, fields=["room"]):
            await self._cursors.delete_many({"_id": {"$in": [row["_id"] for row in found]}})


def _pair(job: str, room: str) -> str:
    return f"{job} {room}"


def _row(job: str, room: str, seq: int) -> dict[str, object]:
    return {"_id": _pair(job, room), "job": job, "room": room, "seq": seq}
