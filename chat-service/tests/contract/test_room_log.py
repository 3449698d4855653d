"""What every adapter of RoomLog must do. A new adapter joins by its name in `ADAPTERS`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chat_service.log import RoomLog
from chat_service.log.mongo import MIGRATIONS as MONGO_MIGRATIONS
from chat_service.log.mongo import MongoRoomLog
from chat_service.log.sqlite import MIGRATIONS, SqliteRoomLog
from chat_service.model.entries import EMPTY, Entry, Head, Kind
from chat_service.storage.migrations import migrate
from chat_service.storage.sqlite import SqliteStore
from rooms.entries import ALICE, BOB, CAROL, OTHER_ROOM, ROOM, created, entry, joined
from rooms.memory_log import MemoryLog
from servers.mongo_stores import mongo_stores, without_unique

Logs = tuple[RoomLog, RoomLog]


@asynccontextmanager
async def sqlite(request: pytest.FixtureRequest) -> AsyncIterator[Logs]:
    folder: Path = request.getfixturevalue("tmp_path")
    stores = [SqliteStore(folder / "chat.db") for _ in range(2)]
    for store in stores:
        await store.open(exclusive=False)
    await migrate(stores[0], MIGRATIONS)
    yield SqliteRoomLog(stores[0]), SqliteRoomLog(stores[1])
    for store in stores:
        await store.close()


@asynccontextmanager
async def mongo(request: pytest.FixtureRequest, *, refuses_repeated_keys: bool) -> AsyncIterator[Logs]:
    indexes = MONGO_MIGRATIONS if refuses_repeated_keys else without_unique(MONGO_MIGRATIONS)
    async with mongo_stores(request.getfixturevalue("mongodb_uri"), indexes) as (one, other):
        for store in (one, other):
            store.refuses_repeated_keys = store.refuses_repeated_keys and refuses_repeated_keys
        yield MongoRoomLog(one), MongoRoomLog(other)


@asynccontextmanager
async def memory(request: pytest.FixtureRequest, *, refuses_repeated_keys: bool) -> AsyncIterator[Logs]:
    del request
    log = MemoryLog(refuses_repeated_keys=refuses_repeated_keys)
    yield log, log


ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Logs]]] = {
    "sqlite": sqlite,
    "mongo": partial(mongo, refuses_repeated_keys=True),
    "mongo without an index of keys": partial(mongo, refuses_repeated_keys=False),
    "memory": partial(memory, refuses_repeated_keys=True),
    "memory without an index of keys": partial(memory, refuses_repeated_keys=False),
}


@pytest.fixture(params=ADAPTERS)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Logs]:
    """The log as two nodes hold it."""
    async with ADAPTERS[request.param](request) as logs:
        yield logs


@pytest.fixture
def log(pair: Logs) -> RoomLog:
    return pair[0]


async def filled(log: RoomLog, *entries: Entry) -> RoomLog:
    for one in entries:
        assert await log.append(one.room, one.seq, [one]) == 1
    return log


async def seqs(log: RoomLog, room: str = ROOM) -> list[int]:
    return [one.seq for one in await log.read(room, 0, 1000)]


# Appending


async def test_what_is_appended_is_read_back_as_it_was(log: RoomLog) -> None:
    stored = [
        created(name="Zürich 🙂"),
        entry(2, body={"text": "a\n\tb", "reply_to": 1, "mentions": [BOB]}, own_key=False, key=""),
        entry(3, Kind.REACTION, {"emoji": "👍", "on": True}, target=2, sender=BOB),
    ]
    assert await log.append(ROOM, 1, stored) == 3
    assert await log.read(ROOM, 0, 10) == stored


async def test_a_room_that_nobody_wrote_to_is_empty(log: RoomLog) -> None:
    assert await log.head(ROOM) == EMPTY
    assert await log.heads([ROOM]) == {}
    assert await log.read(ROOM, 0, 10) == []


async def test_a_taken_seq_is_refused_and_the_first_entry_there_stays(pair: Logs) -> None:
    one, other = pair
    await filled(one, created(), entry(2))
    late = entry(2, id="late", key="late")
    assert await other.append(ROOM, 2, [late, entry(3)]) == 0
    assert [found.id for found in await one.read(ROOM, 0, 10)] == ["id1", "id2"]


async def test_an_append_beyond_the_end_would_leave_a_hole_and_stores_nothing(log: RoomLog) -> None:
    await filled(log, created())
    assert await log.append(ROOM, 3, [entry(3)]) == 0
    assert await log.append(OTHER_ROOM, 2, [entry(2, room=OTHER_ROOM)]) == 0
    assert await seqs(log) == [1]
    assert await seqs(log, OTHER_ROOM) == []


@pytest.mark.parametrize("wrong", [entry(3), entry(2, room=OTHER_ROOM)])
async def test_a_batch_that_is_numbered_wrongly_is_a_defect_of_the_caller(log: RoomLog, wrong: Entry) -> None:
    await filled(log, created())
    with pytest.raises(ValueError, match="numbered"):
        await log.append(ROOM, 2, [wrong])
    assert await seqs(log) == [1]


async def test_a_repeated_key_is_refused_and_what_stood_before_it_stays(log: RoomLog) -> None:
    """The stored part of a batch is a prefix: what stands behind a refused entry is not stored either."""
    await filled(log, created(), entry(2, sender=BOB, key="k"))
    batch = [entry(3), entry(4, sender=BOB, key="k"), entry(5)]
    stored = await log.append(ROOM, 3, batch)
    assert stored == (1 if log.refuses_repeated_keys else 3)
    assert await seqs(log) == list(range(1, 3 + stored))


async def test_a_key_repeated_inside_one_batch_is_refused_too(log: RoomLog) -> None:
    await filled(log, created())
    stored = await log.append(ROOM, 2, [entry(2, key="k"), entry(3, key="k")])
    assert stored == (1 if log.refuses_repeated_keys else 2)


async def test_keys_belong_to_one_sender_in_one_room(log: RoomLog) -> None:
    await filled(log, created(), entry(2, key="k"), entry(3, key="k", sender=BOB))
    assert await log.append(OTHER_ROOM, 1, [entry(1, key="k", room=OTHER_ROOM)]) == 1


async def test_writers_that_race_leave_one_log_without_holes(pair: Logs) -> None:
    """Eight writers on two nodes append batches where they believe the end to be; the store sorts it out."""
    await filled(pair[0], created())
    acked: dict[int, str] = {}

    async def write(log: RoomLog, name: str) -> None:
        for turn in range(5):
            todo = [f"{name}.{turn}.{part}" for part in range(3)]
            while todo:
                first = (await log.head(ROOM)).seq + 1
                batch = [entry(first + at, key=key, id=key) for at, key in enumerate(todo)]
                stored = await log.append(ROOM, first, batch)
                acked.update({first + at: key for at, key in enumerate(todo[:stored])})
                del todo[:stored]

    await asyncio.gather(*(write(pair[number % 2], f"w{number}") for number in range(8)))
    entries = await pair[0].read(ROOM, 0, 1000)
    assert [found.seq for found in entries] == list(range(1, 122))
    assert {found.seq: found.key for found in entries[1:]} == acked


# Reading


async def test_what_one_node_stored_the_other_reads_at_once(pair: Logs) -> None:
    one, other = pair
    for seq in range(1, 20):
        await (one if seq % 2 else other).append(ROOM, seq, [entry(seq)])
        assert (await (other if seq % 2 else one).head(ROOM)).seq == seq


async def test_pages_of_a_log_meet_without_a_gap(log: RoomLog) -> None:
    await log.append(ROOM, 1, [entry(seq) for seq in range(1, 8)])
    pages = [[found.seq for found in await log.read(ROOM, after, 3)] for after in (0, 3, 6, 7, 99)]
    assert pages == [[1, 2, 3], [4, 5, 6], [7], [], []]


async def test_heads_and_tails_are_answered_for_many_rooms(log: RoomLog) -> None:
    await filled(log, created(), entry(2), created(OTHER_ROOM))
    missing = "c" + "z" * 21
    assert await log.head(ROOM) == Head(2, "id2")
    heads = await log.heads([ROOM, OTHER_ROOM, missing])
    assert heads == {ROOM: Head(2, "id2"), OTHER_ROOM: Head(1, "id1")}
    assert await log.heads([]) == {}


async def test_what_changes_a_room_is_read_without_its_messages(log: RoomLog) -> None:
    topic = entry(4, Kind.TOPIC, {"topic": "t"})
    await filled(log, created(), entry(2), joined(3, BOB), topic, entry(5))
    found = await log.read_kinds(ROOM, 0, [Kind.CREATE, Kind.JOIN, Kind.LEAVE])
    assert [one.seq for one in found] == [1, 3]
    assert [one.seq for one in await log.read_kinds(ROOM, 3, [Kind.JOIN, Kind.TOPIC])] == [4]
    assert await log.read_kinds(ROOM, 4, [Kind.TOPIC]) == []


@pytest.mark.parametrize("kind", [Kind.MESSAGE, Kind.EDIT, Kind.DELETE, Kind.REACTION])
async def test_reading_kinds_that_are_not_rare_is_a_defect_of_the_caller(log: RoomLog, kind: Kind) -> None:
    with pytest.raises(ValueError, match="change a room"):
        await log.read_kinds(ROOM, 0, [Kind.JOIN, kind])


async def test_changes_are_the_newest_of_their_kinds_in_a_stretch_of_the_log(log: RoomLog) -> None:
    await filled(log, created(), joined(2, BOB), entry(3), entry(4, Kind.TOPIC, {"topic": "t"}), joined(5, CAROL))
    await filled(log, entry(6, Kind.PIN, {"on": True}, target=3))

    async def changes(after: int, upto: int, limit: int = 9) -> list[int]:
        found = await log.changes(ROOM, after, upto, [Kind.JOIN, Kind.TOPIC, Kind.PIN], limit)
        return [one.seq for one in found]

    assert await changes(0, 9) == [2, 4, 5, 6]
    assert await changes(2, 5) == [4, 5]
    assert await changes(0, 9, 2) == [5, 6]
    assert await changes(6, 9) == []
    with pytest.raises(ValueError, match="rare"):
        await log.changes(ROOM, 0, 9, [Kind.MESSAGE], 9)


async def test_history_pages_hold_the_newest_messages_between_two_seqs(log: RoomLog) -> None:
    about = entry(3, Kind.REACTION, {"emoji": "x", "on": True}, target=2)
    await filled(log, created(), entry(2), about, entry(4), entry(5), joined(6, BOB), entry(7))

    async def page(before: int, after: int, limit: int) -> list[int]:
        return [one.seq for one in await log.messages_before(ROOM, before, after, limit)]

    assert await page(8, 0, 3) == [4, 5, 7]
    assert await page(7, 0, 3) == [2, 4, 5]
    assert await page(5, 0, 3) == [2, 4]
    assert await page(8, 4, 3) == [5, 7]
    assert await page(2, 0, 3) == []


async def test_entries_are_found_by_seq_and_by_key(log: RoomLog) -> None:
    await filled(log, created(), entry(2), entry(3, sender=BOB, key="key2"))
    assert {seq: one.id for seq, one in (await log.at(ROOM, {1, 3, 9})).items()} == {1: "id1", 3: "id3"}
    assert await log.at(ROOM, []) == {}
    assert await log.at(OTHER_ROOM, [1]) == {}
    found = await log.by_keys(ROOM, {(ALICE, "key2"), (BOB, "key2"), (BOB, "key1"), (CAROL, "key2")})
    assert {key: one.seq for key, one in found.items()} == {(ALICE, "key2"): 2, (BOB, "key2"): 3}
    assert await log.by_keys(OTHER_ROOM, [(ALICE, "key2")]) == {}


async def test_everything_about_a_message_is_found_in_order(log: RoomLog) -> None:
    await filled(log, created(), entry(2), entry(3))
    await filled(log, entry(4, Kind.EDIT, {"text": "e"}, target=3), entry(5, Kind.EDIT, {"text": "e"}, target=2))
    await filled(
        log, entry(6, Kind.DELETE, target=2), entry(7, Kind.REACTION, {"emoji": "x", "on": True}, target=3)
    )
    assert [one.seq for one in await log.targeting(ROOM, [2])] == [5, 6]
    assert [one.seq for one in await log.targeting(ROOM, [3, 2])] == [4, 5, 6, 7]
    assert [one.seq for one in await log.targeting(ROOM, {2, 3}, upto=5)] == [4, 5]
    assert await log.targeting(ROOM, []) == []
    assert await log.targeting(OTHER_ROOM, [2]) == []


# Threads


def reply(seq: int, root: int, **changes: Any) -> Entry:
    return entry(seq, target=root, **changes)


async def test_replies_in_threads_are_no_messages_of_the_room(log: RoomLog) -> None:
    await filled(log, created(), entry(2), reply(3, 2), entry(4), reply(5, 2), reply(6, 4), entry(7))
    assert [one.seq for one in await log.messages_before(ROOM, 9, 0, 9)] == [2, 4, 7]
    assert [one.seq for one in await log.messages_after(ROOM, 0, 2)] == [2, 4]
    assert [one.seq for one in await log.messages_after(ROOM, 2, 9)] == [4, 7]
    assert [one.seq for one in await log.messages_before(ROOM, 9, 0, 9, thread=2)] == [3, 5]
    assert [one.seq for one in await log.messages_before(ROOM, 9, 0, 1, thread=2)] == [5]
    assert [one.seq for one in await log.messages_before(ROOM, 5, 0, 9, thread=2)] == [3]
    assert await log.messages_before(ROOM, 9, 0, 9, thread=7) == []
    assert await log.targeting(ROOM, [2, 4]) == []


async def test_threads_are_counted_as_they_were_at_a_seq(log: RoomLog) -> None:
    await filled(log, created(), entry(2), reply(3, 2), reply(4, 2), entry(5), reply(6, 5))
    await filled(log, entry(7, Kind.DELETE, target=4), entry(8, Kind.DELETE, target=6), reply(9, 2))

    async def threads(upto: int) -> dict[int, tuple[int, int]]:
        found = await log.threads(ROOM, {2, 5, 9}, upto)
        return {seq: (thread.replies, thread.last_ts - entry(0).ts) for seq, thread in found.items()}

    assert await threads(2) == {}
    assert await threads(6) == {2: (2, 4), 5: (1, 6)}
    assert await threads(8) == {2: (1, 4)}
    assert await threads(99) == {2: (2, 9)}
    assert await log.threads(ROOM, [], 99) == {}
    assert await log.threads(OTHER_ROOM, [2], 99) == {}


# Activity


async def test_what_somebody_missed_are_messages_of_others_in_the_room_itself(log: RoomLog) -> None:
    await filled(log, created(), joined(2, BOB), entry(3), reply(4, 3), entry(5, sender=BOB), entry(6), entry(7))
    await log.overwrite(ROOM, [6])
    await filled(log, entry(1, Kind.CREATE, {}, room=OTHER_ROOM))
    found = await log.activity(BOB, {ROOM: 0, OTHER_ROOM: 0}, 100)
    assert (found[ROOM].unread, found[OTHER_ROOM].unread) == (2, 0)
    assert found[ROOM].last_ts == entry(7).ts
    assert found[OTHER_ROOM].last_ts is None
    assert (await log.activity(BOB, {ROOM: 3}, 100))[ROOM].unread == 1
    assert (await log.activity(BOB, {ROOM: 0}, 1))[ROOM].unread == 1
    assert (await log.activity(ALICE, {ROOM: 0}, 100))[ROOM].unread == 1
    assert await log.activity(BOB, {}, 100) == {}


# Redaction


async def test_overwriting_takes_the_words_and_leaves_the_entry(log: RoomLog) -> None:
    edit = entry(3, Kind.EDIT, {"text": "secret"}, target=2)
    await filled(log, created(), entry(2), edit, entry(4))
    for _ in range(2):
        await log.overwrite(ROOM, [2, 3])
        found = await log.at(ROOM, [1, 2, 3, 4])
        assert found == {1: created(), 2: entry(2).masked(), 3: edit.masked(), 4: entry(4)}
    assert await log.head(ROOM) == Head(4, "id4")
    assert (await log.by_keys(ROOM, [(ALICE, "key2")]))[ALICE, "key2"].digest == entry(2).digest
    await log.overwrite(ROOM, [])
    await log.overwrite(ROOM, [99])
    assert await seqs(log) == [1, 2, 3, 4]


async def test_what_somebody_wrote_is_listed_until_it_is_overwritten(log: RoomLog) -> None:
    await filled(log, created(), entry(2), entry(3, sender=BOB), entry(4), joined(5, CAROL))
    await filled(log, entry(6, Kind.EDIT, {"text": "e"}, target=4), entry(7, Kind.DELETE, target=2), entry(8))
    assert await log.written_by(ROOM, ALICE, 0, 8, 10) == [2, 4, 6, 8]
    assert await log.written_by(ROOM, ALICE, 2, 6, 10) == [4, 6]
    assert await log.written_by(ROOM, ALICE, 0, 8, 2) == [2, 4]
    assert await log.written_by(ROOM, "", 0, 4, 10) == [2, 3, 4]
    assert await log.written_by(ROOM, CAROL, 0, 8, 10) == []
    await log.overwrite(ROOM, [4])
    assert await log.written_by(ROOM, ALICE, 0, 8, 10) == [2, 6, 8]


async def test_redactions_are_paged_through_in_order(log: RoomLog) -> None:
    await filled(log, created(), entry(2), entry(3, Kind.DELETE, target=2), entry(4))
    await filled(log, entry(5, Kind.RETAIN, {"upto": 2}), entry(6, Kind.ERASE, {"user": BOB, "upto": 4}))
    assert [one.seq for one in await log.redactions(ROOM, 0, 2)] == [3, 5]
    assert [one.seq for one in await log.redactions(ROOM, 5, 2)] == [6]
    assert await log.redactions(OTHER_ROOM, 0, 2) == []


async def test_rooms_that_changed_or_redact_are_paged_through_by_id(log: RoomLog) -> None:
    rooms = [f"c{letter * 21}" for letter in "abc"]
    for room in rooms:
        await filled(log, created(room), entry(2, room=room))
    await filled(log, joined(3, BOB, room=rooms[1]), entry(4, room=rooms[1]))
    await filled(log, entry(3, Kind.DELETE, target=2, room=rooms[0]), entry(4, room=rooms[0]))
    assert await log.changed_rooms("", 2) == [(rooms[0], 1), (rooms[1], 3)]
    assert await log.changed_rooms(rooms[1], 2) == [(rooms[2], 1)]
    assert await log.redacted_rooms("", 10) == [(rooms[0], 3)]
    assert await log.redacted_rooms(rooms[0], 10) == []
