"""The room log in MongoDB: ordered inserts into one collection, and reads by the text order of its indexes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from chat_service.log import Activity, Thread
from chat_service.log.mongo_documents import (
    COLLECTION,
    DELETIONS,
    LAST,
    MAIN,
    MIGRATIONS,
    REDACTING,
    STATE,
    at,
    beyond,
    classes,
    document_of,
    entry_of,
    on_line,
    once,
    place,
    within,
)
from chat_service.model.entries import EMPTY, TARGETING, Entry, Head, Kind
from chat_service.model.redaction import WRITTEN
from chat_service.storage.mongo import BATCH_LIMIT, Document, MongoStore
from chat_service.storage.mongo_visibility import awaited

__all__ = ["MIGRATIONS", "MongoRoomLog"]

T = TypeVar("T")

AT_ONCE = 16
"""Most queries that one call has on their way."""

SCAN = 2_000
"""Most entries that one query looks through for what has no index of its own: some milliseconds."""

_KNOWN_ROOMS = 10_000
_LIST_LIMIT = 500  # values in one `$in`
_UP, _DOWN = 1, -1


class MongoRoomLog:
    """`RoomLog` on a MongoStore."""

    def __init__(self, store: MongoStore) -> None:
        self._store = store
        self._entries = store.collection(COLLECTION)
        self._stored: OrderedDict[str, int] = OrderedDict()  # the last seq that this node stored, by room

    @property
    def refuses_repeated_keys(self) -> bool:
        """See RoomLog: the server was asked at start."""
        return self._store.refuses_repeated_keys

    async def append(self, room: str, first: int, entries: Sequence[Entry]) -> int:
        """See RoomLog. The server stops at the first document that is refused; what went before it stays."""
        if any(entry.room != room or entry.seq != first + index for index, entry in enumerate(entries)):
            raise ValueError("entries must be of the room and numbered from `first` on")
        # Only first = last + 1 may be inserted: a seq beyond the end would be free and leave a hole.
        if first > 1 and not await self._stands(room, first - 1):
            return 0
        stored = 0
        while batch := [document_of(entry) for entry in entries[stored : stored + BATCH_LIMIT]]:
            count = await self._entries.insert_ordered(batch)
            stored += count
            if count:
                self._remember(room, first + stored - 1)
            if count < len(batch):
                await self._see_why(batch[count])
                break
        return stored

    async def head(self, room: str) -> Head:
        """See RoomLog."""
        last = await self._entries.find_one({"_id": within(room)}, sort=(("_id", _DOWN),), fields=["id"])
        return EMPTY if last is None else Head(place(last)[1], last["id"])

    async def heads(self, rooms: Collection[str]) -> dict[str, Head]:
        """See RoomLog."""
        found = await _each(self.head, rooms)
        return {room: head for room, head in found.items() if head != EMPTY}

    async def read(self, room: str, after: int, limit: int) -> list[Entry]:
        """See RoomLog. What stands behind a seq that is not to be seen yet waits with it."""
        found = await self._find({"_id": within(room, after)}, "_id", limit)
        return [entry for index, entry in enumerate(found) if entry.seq == after + 1 + index]

    async def read_kinds(self, room: str, after: int, kinds: Collection[Kind]) -> list[Entry]:
        """See RoomLog. Kinds about messages would scan the room: they are refused."""
        found = [
            await self._find({"line": on_line(line, room, after), "kind": _one_of(kinds)}, "line", None)
            for line in classes(kinds)
        ]
        return _merged(found)

    async def changes(self, room: str, after: int, upto: int, kinds: Collection[Kind], limit: int) -> list[Entry]:
        """See RoomLog."""
        found = [
            await self._newest({"line": on_line(line, room, after, upto), "kind": _one_of(kinds)}, "line", limit)
            for line in classes(kinds)
        ]
        return _merged(found)[-limit:] if limit else []

    async def messages_before(
        self, room: str, before: int, after: int, limit: int, thread: int | None = None
    ) -> list[Entry]:
        """See RoomLog."""
        if thread is None:
            return await self._newest({"line": on_line(MAIN, room, after, before - 1)}, "line", limit)
        replies = {"about": at(room, thread), "_id": within(room, after, before - 1), "kind": str(Kind.MESSAGE)}
        return await self._newest(replies, "_id", limit)

    async def messages_after(self, room: str, after: int, limit: int) -> list[Entry]:
        """See RoomLog."""
        return await self._find({"line": on_line(MAIN, room, after)}, "line", limit)

    async def threads(self, room: str, messages: Collection[int], upto: int) -> dict[int, Thread]:
        """See RoomLog."""
        replies = await self._about(room, messages, upto, [Kind.MESSAGE], ["target", "ts"])
        deletions = await self._about(
            room, [place(reply)[1] for reply in replies], upto, [Kind.DELETE], ["target"]
        )
        deleted = {deletion["target"] for deletion in deletions}
        count: dict[int, int] = {}
        last_ts: dict[int, int] = {}
        for reply in replies:
            target = reply["target"]
            count[target] = count.get(target, 0) + (place(reply)[1] not in deleted)
            last_ts[target] = max(last_ts.get(target, 0), reply["ts"])
        return {target: Thread(left, last_ts[target]) for target, left in count.items() if left}

    async def activity(self, user: str, rooms: Mapping[str, int], most: int) -> dict[str, Activity]:
        """See RoomLog."""

        async def in_room(room: str) -> Activity:
            last = await self._entries.find_one(
                {"line": on_line(MAIN, room)}, sort=(("line", _DOWN),), fields=["ts"]
            )
            if last is None or place(last)[1] <= rooms[room]:
                return Activity(0, None if last is None else last["ts"])
            missed = {"line": on_line(MAIN, room, rooms[room]), "sender": {"$ne": user}, "redacted": False}
            return Activity(await self._entries.count(missed, limit=most), last["ts"])

        return await _each(in_room, rooms)

    async def at(self, room: str, seqs: Collection[int]) -> dict[int, Entry]:
        """See RoomLog."""
        found = await self._listed("_id", [at(room, seq) for seq in seqs])
        return {entry.seq: entry for entry in map(entry_of, found)}

    async def targeting(self, room: str, targets: Collection[int], upto: int | None = None) -> list[Entry]:
        """See RoomLog."""
        found = await self._about(room, targets, LAST if upto is None else upto, TARGETING, None)
        return sorted(map(entry_of, found), key=lambda entry: entry.seq)

    async def by_keys(self, room: str, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], Entry]:
        """See RoomLog."""
        found = await self._listed("once", [once(room, sender, key) for sender, key in keys])
        return {(entry.sender, entry.key): entry for entry in map(entry_of, found)}

    async def overwrite(self, room: str, seqs: Collection[int]) -> None:
        """See RoomLog."""
        for ids in _chunks([at(room, seq) for seq in seqs]):
            await self._entries.update_many({"_id": {"$in": ids}}, {"$set": {"body": "{}", "redacted": True}})

    async def written_by(self, room: str, sender: str, after: int, upto: int, limit: int) -> list[int]:
        """See RoomLog. Looks through the log in stretches: there is no index by sender."""
        upto = min(upto, (await self.head(room)).seq)
        conditions = {"kind": _one_of(WRITTEN), "redacted": False} | ({"sender": sender} if sender else {})
        found: list[int] = []
        while after < upto and len(found) < limit:
            end = min(after + SCAN, upto)
            some = await self._entries.find(
                {"_id": within(room, after, end), **conditions},
                sort=(("_id", _UP),),
                limit=limit - len(found),
                fields=["_id"],
            )
            found += [place(document)[1] for document in some]
            after = end
        return found

    async def changed_rooms(self, after: str, limit: int) -> list[tuple[str, int]]:
        """See RoomLog."""
        return await self._last_of((STATE, REDACTING), after, limit)

    async def redactions(self, room: str, after: int, limit: int) -> list[Entry]:
        """See RoomLog."""
        lines = (DELETIONS, REDACTING)
        found = [await self._find({"line": on_line(line, room, after)}, "line", limit) for line in lines]
        return _merged(found)[:limit]

    async def redacted_rooms(self, after: str, limit: int) -> list[tuple[str, int]]:
        """See RoomLog."""
        return await self._last_of((DELETIONS, REDACTING), after, limit)

    async def _stands(self, room: str, seq: int) -> bool:
        # What this node was told to be stored on a majority is not asked for again: one round trip less.
        if self._stored.get(room, 0) >= seq:
            return True
        return await self._entries.find_one({"_id": at(room, seq)}, fields=["_id"]) is not None

    def _remember(self, room: str, seq: int) -> None:
        self._stored[room] = max(seq, self._stored.pop(room, 0))
        if len(self._stored) > _KNOWN_ROOMS:
            self._stored.popitem(last=False)

    async def _see_why(self, refused: Document) -> None:
        """Wait until what refused this document is to be seen: the caller is about to look for it."""
        names = ("_id", "once") if self.refuses_repeated_keys else ("_id",)
        await awaited(self._entries, *({name: refused[name]} for name in names))

    async def _find(self, where: Mapping[str, Any], order: str, limit: int | None) -> list[Entry]:
        return [entry_of(found) for found in await self._entries.find(where, sort=((order, _UP),), limit=limit)]

    async def _newest(self, where: Mapping[str, Any], order: str, limit: int) -> list[Entry]:
        newest = await self._entries.find(where, sort=((order, _DOWN),), limit=limit)
        return [entry_of(found) for found in reversed(newest)]

    async def _listed(self, field: str, values: Sequence[str]) -> list[Document]:
        found: list[Document] = []
        for some in _chunks(values):
            found += await self._entries.find({field: {"$in": some}}, sort=None, limit=None)
        return found

    async def _about(
        self, room: str, targets: Collection[int], upto: int, kinds: Collection[Kind], fields: list[str] | None
    ) -> list[Document]:
        found: list[Document] = []
        for some in _chunks([at(room, target) for target in targets]):
            where = {"about": {"$in": some}, "_id": within(room, 0, upto), "kind": _one_of(kinds)}
            found += await self._entries.find(where, sort=None, limit=None, fields=fields)
        return found

    async def _last_of(self, lines: Sequence[str], after: str, limit: int) -> list[tuple[str, int]]:
        lasts: dict[str, int] = {}
        for line in lines:
            for room, seq in (await self._last_on(line, after, limit)).items():
                lasts[room] = max(seq, lasts.get(room, 0))
        return sorted(lasts.items())[:limit]

    async def _last_on(self, line: str, after: str, limit: int) -> dict[str, int]:
        """The first rooms by id with an entry of that class, at least `limit` where there are, and its last."""
        lasts: dict[str, int] = {}
        while len(lasts) < limit:
            page = await self._entries.find(
                {"line": beyond(line, after)}, sort=(("line", _UP),), limit=2 * limit, fields=["_id"]
            )
            lasts.update(map(place, page))
            if len(page) < 2 * limit:
                break
            after = place(page[-1])[0]  # its last entry may be beyond this page, by any number
            last = await self._entries.find_one(
                {"line": on_line(line, after)}, sort=(("line", _DOWN),), fields=["_id"]
            )
            lasts.update([place(last or page[-1])])
        return lasts


async def _each(ask: Callable[[str], Awaitable[T]], rooms: Collection[str]) -> dict[str, T]:
    """Ask about every room, a few at once."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(room: str) -> T:
        async with turns:
            return await ask(room)

    return dict(zip(rooms, await asyncio.gather(*map(one, rooms)), strict=True))


def _one_of(kinds: Collection[Kind]) -> dict[str, list[str]]:
    return {"$in": sorted(map(str, kinds))}


def _merged(found: Sequence[Sequence[Entry]]) -> list[Entry]:
    return sorted((entry for some in found for entry in some), key=lambda entry: entry.seq)


def _chunks(values: Sequence[str]) -> list[list[str]]:
    return [list(values[start : start + _LIST_LIMIT]) for start in range(0, len(values), _LIST_LIMIT)]
