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
from chat_service.directory.mongo_rows import BY_ID, batches, document_of, find_among, row_of
from chat_service.storage.mongo import Document, MongoStore
from chat_service.storage.mongo_migrations import Index, MongoMigration

MIGRATIONS = (
    MongoMigration(
        "files-1-rows",
        (
            Index("files", "files_owner", (("owner", 1), ("size", 1), ("_id", 1))),
            Index("files", "files_unattached", (("attached", 1), ("_id", 1))),
            Index("file_owners", *BY_ID),
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
        announced = {"file": row.id, "size": row.size, "at": int(self._clock())}
        while True:
            owner = await self._owner(row.owner)
            if await self._counted(owner) + row.size > quota:
                return False
            alone = {"_id": row.owner, "version": owner["version"]}
            if await self._owners.update_one(alone, {"$inc": {"version": 1}, "$push": {"adding": announced}}):
                break  # else somebody announced something meanwhile: what they keep is added up again
        await self._files.insert(document_of(row))
        if not await self._withdraw(row.owner, announced) and await self.used(row.owner) > quota:
            # Held up for so long that the file was taken for one that never comes, and its room given away.
            await self.remove([row.id])
            return False
        return True

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

    async def _owner(self, owner: str) -> Document:
        found = await self._owners.find_one({"_id": owner})
        if found is None:
            found = {"_id": owner, "version": 0, "adding": []}
            await self._owners.insert(found)
        return found

    async def _counted(self, owner: Document) -> int:
        """How many bytes an owner's files have, with those that are being added; forgets what never came.

        The files are read after the announcements: one that is added meanwhile is among either or both.
        """
        oldest = int(self._clock()) - ADDING_S
        for left_behind in (each for each in owner["adding"] if each["at"] < oldest):
            await self._withdraw(owner["_id"], left_behind)
        adding = {each["file"]: int(each["size"]) for each in owner["adding"] if each["at"] >= oldest}
        return sum((adding | await self._sizes(owner["_id"])).values())

    async def _withdraw(self, owner: str, announced: Document) -> bool:
        where = {"_id": owner, "adding.file": announced["file"]}
        return await self._owners.update_one(where, {"$pull": {"adding": announced}})

    async def _sizes(self, owner: str) -> dict[str, int]:
        found = await self._files.find({"owner": owner}, sort=None, limit=None, fields=["size"])
        return {row["_id"]: int(row["size"]) for row in found}
