"""The file directory in MongoDB: one document a file, and one an owner for what is being added.

How much somebody keeps is always the sum over their files: no counter can go wrong. Only adding has to know
of what others add at the same time: it is announced in the owner's document, which changes only if nobody
announced anything since the sum was taken, and an announcement counts until its file is there. One that was
left behind by a node that stopped counts no more after ADDING_S.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from chat_service.directory.files import FileRow
from chat_service.directory.mongo_rows import batches, document_of, find_among, row_of
from chat_service.storage.mongo import Document, MongoStore
from chat_service.storage.mongo_migrations import Index, MongoMigration

MIGRATIONS = (
    MongoMigration(
        "files-1-rows",
        (
            Index("files", "files_owner", (("owner", 1), ("size", 1), ("_id", 1))),
            Index("files", "files_unattached", (("attached", 1), ("_id", 1))),
        ),
    ),
)

ADDING_S = 600
"""How long an announcement counts: far longer than a node needs from it to its file."""


class MongoFileDirectory:
    """`FileDirectory` on a MongoStore. `clock` gives Unix seconds."""

    def __init__(self, store: MongoStore, clock: Callable[[], float] = time.time) -> None:
        self._files = store.collection("files")
        self._owners = store.collection("file_owners")
        self._clock = clock

    async def add(self, row: FileRow, quota: int) -> bool:
        """See FileDirectory."""
        while (announced := await self._announce(row, quota)) is None:
            pass  # somebody else announced something meanwhile: what they keep is added up again
        if not announced:
            return False
        await self._files.insert(document_of(row))
        if not await self._withdraw(row.owner, announced) and await self.used(row.owner) > quota:
            # Held up for so long that the file was taken for one that never comes, and its room given away.
            await self.remove([row.id])
            return False
        return True

    async def _announce(self, row: FileRow, quota: int) -> Document | None:
        """Announce a file, if nobody else did meanwhile: else None. Empty where it is too large."""
        owner = await self._owners.find_one({"_id": row.owner})
        if owner is None:
            owner = {"_id": row.owner, "version": 0, "adding": []}
            await self._owners.insert(owner)
        now = int(self._clock())
        for left_behind in (each for each in owner["adding"] if each["at"] < now - ADDING_S):
            await self._withdraw(row.owner, left_behind)
        # After the announcements: a file counts as one of them, or as there, or both times as the same one.
        sizes = {each["file"]: int(each["size"]) for each in owner["adding"] if each["at"] >= now - ADDING_S}
        sizes |= await self._sizes(row.owner)
        if sum(sizes.values()) + row.size > quota:
            return {}
        announced = {"file": row.id, "size": row.size, "at": now}
        alone = {"_id": row.owner, "version": owner["version"]}
        if await self._owners.update_one(alone, {"$inc": {"version": 1}, "$push": {"adding": announced}}):
            return announced
        return None

    async def _withdraw(self, owner: str, announced: Document) -> bool:
        where = {"_id": owner, "adding.file": announced["file"]}
        return await self._owners.update_one(where, {"$pull": {"adding": announced}})

    async def rows(self, files: Collection[str]) -> dict[str, FileRow]:
        """See FileDirectory."""
        return {found["_id"]: row_of(FileRow, found) for found in await find_among(self._files, "_id", files)}

    async def claim(self, room: str, owner: str, key: str, files: Sequence[str], since: int) -> dict[str, FileRow]:
        """See FileDirectory.

        Each file is claimed in one step, and what is this message's then is read afterwards. Files that are
        its already are written once more: so that the read, too, sees what another node has just claimed.
        """
        claimable = [{"key": key}, {"key": None, "ts": {"$gte": since}}]
        for batch in batches(dict.fromkeys(files)):
            theirs = {"_id": {"$in": batch}, "room": room, "owner": owner, "$or": claimable}
            await self._files.update_many(theirs, {"$set": {"key": key}})
        found = await find_among(self._files, "_id", files)
        mine = [row for row in found if (row["room"], row["owner"], row["key"]) == (room, owner, key)]
        return {row["_id"]: row_of(FileRow, row) for row in mine}

    async def attach(self, files: Collection[str]) -> None:
        """See FileDirectory."""
        for batch in batches(files):
            claimed = {"_id": {"$in": batch}, "key": {"$ne": None}}
            await self._files.update_many(claimed, {"$set": {"attached": True}})

    async def remove(self, files: Collection[str]) -> None:
        """See FileDirectory."""
        for batch in batches(files):
            await self._files.delete_many({"_id": {"$in": batch}})

    async def take_back(self, owner: str, file: str) -> bool:
        """See FileDirectory. In one step: a message claims the file, or finds it gone."""
        return await self._files.delete_one({"_id": file, "owner": owner, "key": None})

    async def used(self, owner: str) -> int:
        """See FileDirectory."""
        return sum((await self._sizes(owner)).values())

    async def unattached(self, before: int, after: str, limit: int) -> list[FileRow]:
        """See FileDirectory."""
        found = await self._files.find(
            {"attached": False, "_id": {"$gt": after}, "ts": {"$lt": before}}, sort=(("_id", 1),), limit=limit
        )
        return [row_of(FileRow, row) for row in found]

    async def _sizes(self, owner: str) -> dict[str, int]:
        found = await self._files.find({"owner": owner}, sort=None, limit=None, fields=["size"])
        return {row["_id"]: int(row["size"]) for row in found}
