"""What only the room log in MongoDB has to get right: batches, holes, what is stored and not to be seen yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pymongo
import pytest

from chat_service.log import mongo
from chat_service.log.mongo import MIGRATIONS, MongoRoomLog
from chat_service.log.mongo_documents import document_of
from chat_service.model.entries import Entry, Head, Kind
from rooms.entries import ALICE, BOB, OTHER_ROOM, ROOM, created, entry, joined
from servers.mongo_stores import mongo_stores
from servers.mongo_subset import SubsetGuard


@pytest.fixture
async def logs(mongodb_uri: str) -> AsyncIterator[tuple[MongoRoomLog, MongoRoomLog]]:
    async with mongo_stores(mongodb_uri, MIGRATIONS) as (one, other):
        yield MongoRoomLog(one), MongoRoomLog(other)


def put(uri: str, *entries: Entry) -> None:
    """Store entries behind the back of every node."""
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        client.get_default_database()["entries"].insert_many([document_of(one) for one in entries])


async def test_a_long_append_is_stored_in_batches_up_to_what_is_taken(
    logs: tuple[MongoRoomLog, MongoRoomLog],
) -> None:
    log, other = logs
    assert await log.append(ROOM, 1, [created(), *(entry(seq) for seq in range(2, 251))]) == 250
    long = [entry(seq) for seq in range(251, 481)]
    long[150] = entry(401, key="key7")
    assert await other.append(ROOM, 251, long) == 150
    assert await log.head(ROOM) == Head(400, "id400")


async def test_an_append_of_nothing_stores_nothing(logs: tuple[MongoRoomLog, MongoRoomLog]) -> None:
    assert await logs[0].append(ROOM, 1, []) == 0


async def test_what_stands_behind_a_seq_that_is_not_to_be_seen_is_not_read(
    logs: tuple[MongoRoomLog, MongoRoomLog], mongodb_uri: str
) -> None:
    log, _ = logs
    put(mongodb_uri, created(), entry(2), entry(4), entry(5))
    assert [one.seq for one in await log.read(ROOM, 0, 10)] == [1, 2]
    assert await log.read(ROOM, 2, 10) == []
    put(mongodb_uri, entry(3))
    assert [one.seq for one in await log.read(ROOM, 2, 10)] == [3, 4, 5]


async def test_the_entry_before_is_looked_for_unless_this_node_stored_it(
    logs: tuple[MongoRoomLog, MongoRoomLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, other = logs
    monkeypatch.setattr(mongo, "_KNOWN_ROOMS", 1)
    assert await log.append(ROOM, 1, [created()]) == 1
    assert await log.append(OTHER_ROOM, 1, [created(OTHER_ROOM)]) == 1  # ROOM is not remembered any more
    assert await other.append(ROOM, 2, [entry(2)]) == 1
    assert await log.append(ROOM, 3, [entry(3)]) == 1
    assert await log.append(ROOM, 5, [entry(5)]) == 0
    assert await log.append(OTHER_ROOM, 3, [entry(3, room=OTHER_ROOM)]) == 0


async def test_a_refused_insert_returns_once_the_reason_can_be_read(
    logs: tuple[MongoRoomLog, MongoRoomLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The primary refuses by what it has, a majority read shows what most have: the writer must not spin."""
    log, other = logs
    await log.append(ROOM, 1, [created(), entry(2)])
    hidden = asyncio.Event()
    look = other._entries.find_one
    looks = 0

    async def find_one(where: Any, **options: Any) -> Any:
        nonlocal looks
        looks += 1
        found = await look(where, **options)
        return found if hidden.is_set() or where == {"_id": f"{ROOM}.{1:012d}"} else None

    monkeypatch.setattr(other._entries, "find_one", find_one)
    appending = asyncio.create_task(other.append(ROOM, 2, [entry(2, key="late")]))
    while looks < 8:
        await asyncio.sleep(0)
        assert not appending.done()
    hidden.set()
    assert await appending == 0


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_rooms_with_more_changes_than_a_page_are_paged_through(
    logs: tuple[MongoRoomLog, MongoRoomLog], limit: int
) -> None:
    log, _ = logs
    rooms = [f"c{letter * 21}" for letter in "abcd"]
    for room in rooms:
        await log.append(room, 1, [created(room), *(joined(seq, BOB, room=room) for seq in range(2, 12))])
    await log.append(rooms[2], 12, [entry(12, Kind.RETAIN, {"upto": 1}, room=rooms[2])])
    await log.append(rooms[3], 12, [entry(12, Kind.DELETE, target=1, room=rooms[3])])
    found, after = [], ""
    while page := await log.changed_rooms(after, limit):
        assert len(page) <= limit
        found += page
        after = page[-1][0]
    assert found == [(rooms[0], 11), (rooms[1], 11), (rooms[2], 12), (rooms[3], 11)]
    assert await log.redacted_rooms("", 9) == [(rooms[2], 12), (rooms[3], 12)]


async def test_what_somebody_wrote_is_found_across_stretches(
    logs: tuple[MongoRoomLog, MongoRoomLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, _ = logs
    monkeypatch.setattr(mongo, "SCAN", 3)
    await log.append(ROOM, 1, [created(), *(entry(seq, sender=BOB if seq % 4 else ALICE) for seq in range(2, 21))])
    assert await log.written_by(ROOM, ALICE, 0, 10**15, 10) == [4, 8, 12, 16, 20]
    assert await log.written_by(ROOM, ALICE, 4, 16, 2) == [8, 12]


async def test_more_values_than_one_query_takes_are_asked_for_in_parts(
    logs: tuple[MongoRoomLog, MongoRoomLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, _ = logs
    monkeypatch.setattr(mongo, "_LIST_LIMIT", 2)
    await log.append(ROOM, 1, [created(), *(entry(seq) for seq in range(2, 8))])
    await log.append(ROOM, 8, [entry(8 + at, Kind.DELETE, target=seq) for at, seq in enumerate((2, 5, 7))])
    assert sorted(await log.at(ROOM, range(1, 8))) == list(range(1, 8))
    assert len(await log.by_keys(ROOM, [(ALICE, f"key{seq}") for seq in range(1, 8)])) == 7
    assert [one.target for one in await log.targeting(ROOM, range(1, 8))] == [2, 5, 7]
    await log.overwrite(ROOM, range(2, 8))
    assert [one.redacted for one in await log.read(ROOM, 0, 7)] == [False] + 6 * [True]


MAJORITY = {"readConcern": {"level": "majority"}}
SAFE = {"writeConcern": {"w": "majority", "j": True, "wtimeout": 1000}}


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ({"find": "entries", "filter": {"_id": "a"}, "limit": 1, "lsid": 1, "$db": "x", **MAJORITY}, None),
        ({"find": "entries", "filter": {"_id": "a"}, "collation": {}, **MAJORITY}, "collation"),
        ({"find": "entries", "filter": {"_id": "a"}}, "read concern"),
        ({"find": "entries", "filter": {"_id": "a", "$where": "1"}, **MAJORITY}, "where"),
        ({"find": "entries", "filter": {"_id": "a", "id": {"$mod": [2, 1]}}, **MAJORITY}, "mod"),
        ({"find": "entries", "filter": {"sender": "a"}, **MAJORITY}, "no index"),
        ({"find": "entries", "filter": {"line": {"$ne": "a"}}, **MAJORITY}, "no index"),
        ({"find": "entries", "filter": {"$or": [{"line": "a"}, {"sender": "a"}]}, **MAJORITY}, "no index"),
        ({"find": "entries", "filter": {"$or": [{"line": "a"}, {"line": "b"}]}, **MAJORITY}, None),
        ({"find": "entries", "filter": {"line": {"$gt": "a"}}, "sort": {"ts": 1}, **MAJORITY}, "in the order"),
        ({"find": "entries", "filter": {"about": "a"}, "sort": {"_id": -1}, **MAJORITY}, None),
        ({"count": "entries", "query": {"_id": "a"}, "limit": 1, "hint": "x", **MAJORITY}, "hint"),
        ({"aggregate": "entries", "pipeline": [{"$lookup": {}}], **MAJORITY}, "no such command"),
        ({"insert": "entries", "documents": [{"_id": "a"}], "ordered": True, **SAFE}, None),
        ({"insert": "entries", "documents": [{"_id": "a"}] * 101, **SAFE}, "batch"),
        ({"insert": "entries", "documents": [{"_id": 1}], **SAFE}, "_id 1"),
        ({"insert": "entries", "documents": [{"_id": "a"}], "txnNumber": 1, **SAFE}, "txnNumber"),
        ({"insert": "entries", "documents": [{"_id": "a"}], "writeConcern": {"w": "majority"}}, "write concern"),
        ({"update": "entries", "updates": [{"q": {"_id": 1}, "u": {"$set": {}}}], **SAFE}, None),
        ({"update": "entries", "updates": [{"q": {"_id": 1}, "u": {"$addToSet": {}}}], **SAFE}, "addToSet"),
        ({"update": "entries", "updates": [{"q": {"_id": 1}, "u": [{"$set": {}}]}], **SAFE}, "pipeline"),
        ({"delete": "entries", "deletes": [{"q": {"_id": 1}, "limit": 0, "hint": 1}], **SAFE}, "hint"),
        ({"createIndexes": "entries", "indexes": [{"key": {}, "name": "x", "sparse": True}]}, "sparse"),
    ],
)
def test_a_command_outside_the_subset_is_caught(command: dict[str, Any], fault: str | None) -> None:
    found = [*SubsetGuard(MIGRATIONS).faults(next(iter(command)), command)]
    assert (not found) if fault is None else any(fault in one for one in found)
