"""What every adapter of RoomDirectory must do. A new adapter joins by its name in `ADAPTERS`."""

from __future__ import annotations

import asyncio
import string
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from chat_service.directory.mongo_rooms import MIGRATIONS as MONGO_MIGRATIONS
from chat_service.directory.mongo_rooms import MongoRoomDirectory
from chat_service.directory.rooms import Preferences, RoomDirectory
from chat_service.directory.sqlite_rooms import MIGRATIONS, SqliteRoomDirectory
from chat_service.model.entries import Entry, Head, Kind
from chat_service.model.permissions import Role
from chat_service.model.rooms import HistoryAccess, Member, RoomKind, RoomState, Visibility
from chat_service.storage.migrations import migrate
from chat_service.storage.sqlite import SqliteStore
from rooms.entries import ALICE, BOB, CAROL, OTHER_ROOM, ROOM, created, entry, joined, person
from rooms.memory_directory import MemoryDirectory
from servers.mongo_stores import mongo_stores

Directories = tuple[RoomDirectory, RoomDirectory]


@asynccontextmanager
async def sqlite(request: pytest.FixtureRequest) -> AsyncIterator[Directories]:
    folder: Path = request.getfixturevalue("tmp_path")
    stores = [SqliteStore(folder / "chat.db") for _ in range(2)]
    for store in stores:
        await store.open(exclusive=False)
    await migrate(stores[0], MIGRATIONS)
    yield SqliteRoomDirectory(stores[0]), SqliteRoomDirectory(stores[1])
    for store in stores:
        await store.close()


@asynccontextmanager
async def mongo(request: pytest.FixtureRequest) -> AsyncIterator[Directories]:
    async with mongo_stores(request.getfixturevalue("mongodb_uri"), MONGO_MIGRATIONS) as (one, other):
        yield MongoRoomDirectory(one), MongoRoomDirectory(other)


@asynccontextmanager
async def memory(request: pytest.FixtureRequest) -> AsyncIterator[Directories]:
    del request
    directory = MemoryDirectory()
    yield directory, directory


ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Directories]]] = {
    "sqlite": sqlite,
    "mongo": mongo,
    "memory": memory,
}


@pytest.fixture(params=ADAPTERS)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Directories]:
    """The directory as two nodes hold it."""
    async with ADAPTERS[request.param](request) as directories:
        yield directories


@pytest.fixture
def directory(pair: Directories) -> RoomDirectory:
    return pair[0]


def folded(*entries: Entry) -> RoomState:
    state = RoomState(entries[0].room)
    for one in entries:
        state.apply(one)
    return state


LOG = (
    created(),
    joined(2, BOB),
    joined(3, CAROL, "guest"),
    entry(4, Kind.LEAVE, {"user": BOB}),
    entry(5, Kind.ROLE, {"user": CAROL, "role": "admin"}),
    joined(6, BOB),
)
CHANGED = ([ALICE], [BOB], [CAROL], [BOB], [CAROL], [BOB])


# Projections


async def test_rooms_that_keep_messages_for_a_while_only_are_listed_by_id(pair: Directories) -> None:
    one, other = pair
    for room, days in ((ROOM, 7), (OTHER_ROOM, 0), ("c" + "d" * 21, 30)):
        state = RoomState(room, head=Head(1, "a"), retention_days=days)
        await one.project(state, ())
    assert await other.retaining("", 10) == [(ROOM, 7), ("c" + "d" * 21, 30)]
    assert await other.retaining(ROOM, 10) == [("c" + "d" * 21, 30)]
    assert await other.retaining("", 1) == [(ROOM, 7)]
    await one.project(RoomState(ROOM, head=Head(2, "b"), retention_days=0), ())
    assert await other.retaining("", 1) == [("c" + "d" * 21, 30)]
    snapshot = await one.snapshot("c" + "d" * 21)
    assert snapshot is not None
    assert snapshot.retention_days == 30


async def test_a_room_is_found_as_it_was_projected(directory: RoomDirectory) -> None:
    state = folded(
        created(name="Zürich", topic="Grüezi", visibility="public", history="joined", guests=True),
        joined(2, BOB, "admin"),
        entry(3, Kind.RETAIN, {"upto": 2}),
        entry(4, Kind.ERASE, {"user": CAROL, "upto": 3}),
    )
    await directory.project(state, [ALICE, BOB])
    assert await directory.snapshot(ROOM) == state
    assert (state.visibility, state.history) == (Visibility.PUBLIC, HistoryAccess.JOINED)
    assert state.erased == {CAROL: 3}


async def test_a_room_that_was_never_projected_is_not_there(directory: RoomDirectory) -> None:
    assert await directory.snapshot(ROOM) is None
    assert await directory.projected([ROOM]) == {}
    assert await directory.rooms_of(ALICE) == []


@pytest.mark.parametrize("order", [order for order in permutations(range(6)) if order[0] != 0][::37])
async def test_projections_end_the_same_in_whatever_order_they_arrive(
    pair: Directories, order: Sequence[int]
) -> None:
    """A row is only written over one that was folded at a lower seq: late and repeated ones do no harm."""
    for turn, step in enumerate((*order, *order[:3])):
        await pair[turn % 2].project(folded(*LOG[: step + 1]), CHANGED[step])
    assert await pair[0].snapshot(ROOM) == folded(*LOG)
    assert await pair[1].projected([ROOM, OTHER_ROOM]) == {ROOM: 6}


async def test_projections_that_race_end_as_the_last_one_folded(pair: Directories) -> None:
    steps = [(folded(*LOG[: step + 1]), CHANGED[step]) for step in range(6)]
    await asyncio.gather(*(pair[step % 2].project(*steps[step]) for step in (5, 1, 3, 0, 4, 2, 5)))
    assert await pair[0].snapshot(ROOM) == folded(*LOG)


async def test_a_snapshot_taken_between_projections_leads_to_the_room_as_it_is(pair: Directories) -> None:
    """Its members are at least as new as its head says: what the log has after that makes it whole."""
    steps = [(folded(*LOG[: step + 1]), CHANGED[step]) for step in range(6)]
    await pair[0].project(*steps[0])

    async def project() -> None:
        for state, changed in steps[1:]:
            await pair[0].project(state, changed)

    projecting = asyncio.create_task(project())
    done = False
    while not done:
        await asyncio.sleep(0)
        done = projecting.done()
        found = await pair[1].snapshot(ROOM)
        assert found is not None
        found.catch_up(LOG[found.head.seq :], Head(6, LOG[-1].id))
        assert found == steps[-1][0]
    await projecting


async def test_a_room_with_more_people_than_one_write_takes_is_projected_whole(pair: Directories) -> None:
    people = [person(f"{one}{other}") for one in string.ascii_lowercase for other in string.ascii_lowercase[:10]]
    state = folded(created(), *(joined(seq, user) for seq, user in enumerate(people, 2)))
    await pair[0].project(state, [ALICE, *people])
    assert await pair[1].snapshot(ROOM) == state
    assert await pair[1].projected([*(f"c{number:021d}" for number in range(150)), ROOM]) == {ROOM: 261}


async def test_rows_may_be_ahead_of_their_room(directory: RoomDirectory) -> None:
    """Only those of `changed` are written: the others keep the row that they have."""
    await directory.project(folded(*LOG[:3]), [ALICE, BOB, CAROL])
    await directory.project(folded(*LOG[:5]), [BOB])
    found = await directory.snapshot(ROOM)
    assert found is not None
    assert found.head.seq == 5
    assert found.members == {ALICE: Member(Role.OWNER, 1), CAROL: Member(Role.GUEST, 3)}


# Looking up


async def test_the_rooms_of_a_person_are_listed_by_name_with_their_role(directory: RoomDirectory) -> None:
    await directory.project(folded(created(name="B"), joined(2, BOB)), [ALICE, BOB])
    other = created(OTHER_ROOM, name="A", visibility="public")
    await directory.project(folded(other, joined(2, BOB, "admin", room=OTHER_ROOM)), [ALICE, BOB])
    rows = await directory.rooms_of(BOB)
    assert [(row.room, row.name, row.role, row.since) for row in rows] == [
        (OTHER_ROOM, "A", Role.ADMIN, 2),
        (ROOM, "B", Role.MEMBER, 2),
    ]
    assert [(row.visibility, row.kind) for row in rows] == [
        (Visibility.PUBLIC, RoomKind.CHANNEL),
        (Visibility.PRIVATE, RoomKind.CHANNEL),
    ]


async def test_somebody_who_left_has_the_room_no_longer_but_had_it_once(directory: RoomDirectory) -> None:
    state = folded(created(), joined(2, BOB))
    await directory.project(state, [ALICE, BOB])
    state.apply(entry(3, Kind.LEAVE, {"user": BOB}))
    await directory.project(state, [BOB])
    assert await directory.rooms_of(BOB) == []
    assert await directory.rooms_ever(BOB) == [ROOM]
    assert await directory.rooms_ever(CAROL) == []


async def test_a_direct_room_names_the_other_person(directory: RoomDirectory) -> None:
    room = "d" + "a" * 21
    body = {"kind": "direct", "members": [ALICE, BOB]}
    state = folded(entry(1, Kind.CREATE, body, room=room))
    await directory.project(state, [ALICE, BOB])
    assert [row.with_user for row in await directory.rooms_of(ALICE)] == [BOB]
    assert [row.with_user for row in await directory.rooms_of(BOB)] == [ALICE]
    assert await directory.public_rooms("", "", 10) == []


async def test_public_channels_are_searched_by_name_and_topic_and_paged_by_id(directory: RoomDirectory) -> None:
    rooms = [f"c{letter * 21}" for letter in "abcd"]
    for room, name, topic in zip(rooms, ("Tea", "Coffee", "Milk", "Rum"), ("", "or TEA", "", ""), strict=True):
        visibility = "private" if name == "Rum" else "public"
        state = folded(created(room, name=name, topic=topic, visibility=visibility))
        await directory.project(state, [ALICE])

    async def found(query: str, after: str = "", limit: int = 10) -> list[str]:
        return [row.name for row in await directory.public_rooms(query, after, limit)]

    assert await found("") == ["Tea", "Coffee", "Milk"]
    assert await found("tea") == ["Tea", "Coffee"]
    assert await found("", limit=2) == ["Tea", "Coffee"]
    assert await found("", after=rooms[1]) == ["Milk"]
    assert await found("rum") == []
    assert await found("t.a") == await found("(") == await found("\x00") == []


async def test_a_public_room_counts_those_who_are_in_it_now(directory: RoomDirectory) -> None:
    state = folded(created(visibility="public"), joined(2, BOB), joined(3, CAROL))
    await directory.project(state, [ALICE, BOB, CAROL])
    state.apply(entry(4, Kind.LEAVE, {"user": BOB}))
    await directory.project(state, [BOB])
    assert [row.people for row in await directory.public_rooms("", "", 10)] == [2]


async def test_a_room_that_turned_private_is_found_no_longer(directory: RoomDirectory) -> None:
    state = folded(created(visibility="public"))
    await directory.project(state, [ALICE])
    state.apply(entry(2, Kind.SETTINGS, {"visibility": "private"}))
    await directory.project(state, [])
    assert await directory.public_rooms("", "", 10) == []


# Read markers, mentions, cursors


async def test_a_read_marker_never_moves_back(pair: Directories) -> None:
    one, other = pair
    assert await one.mark_read(BOB, ROOM, 5) == 5
    assert await other.mark_read(BOB, ROOM, 3) == 5
    assert await other.mark_read(BOB, ROOM, 7) == 7
    assert await one.mark_read(ALICE, ROOM, 1) == 1
    assert await one.mark_read(BOB, OTHER_ROOM, 0) == 0


async def test_a_read_marker_moved_on_two_nodes_at_once_ends_at_the_furthest(pair: Directories) -> None:
    seqs = [3, 9, 1, 12, 7, 12, 5, 11]
    for user in (f"u{number}" for number in range(12)):  # the first marks of each are what races
        marked = await asyncio.gather(*(pair[n % 2].mark_read(user, ROOM, seq) for n, seq in enumerate(seqs)))
        assert all(now >= seq for now, seq in zip(marked, seqs, strict=True))
        assert max(marked) == 12
        assert (await pair[0].read_marks(ROOM, 99))[user] == 12


async def test_read_markers_of_a_room_are_listed_from_the_furthest(pair: Directories) -> None:
    one, other = pair
    for user, seq in ((BOB, 5), (ALICE, 9), (CAROL, 0)):
        await one.mark_read(user, ROOM, seq)
    await one.mark_read(BOB, OTHER_ROOM, 7)
    assert list((await other.read_marks(ROOM, 9)).items()) == [(ALICE, 9), (BOB, 5)]
    assert await other.read_marks(ROOM, 1) == {ALICE: 9}


async def test_preferences_keep_what_is_not_given(pair: Directories) -> None:
    one, other = pair
    await one.project(folded(created(), joined(2, BOB)), [ALICE, BOB])
    assert await one.set_preferences(BOB, ROOM, muted=True) == Preferences(muted=True)
    assert await other.set_preferences(BOB, ROOM, favourite=True) == Preferences(muted=True, favourite=True)
    assert await one.set_preferences(BOB, ROOM, muted=False) == Preferences(favourite=True)
    [row], [of_alice] = await one.rooms_of(BOB), await one.rooms_of(ALICE)
    assert (row.muted, row.favourite, of_alice.muted, of_alice.favourite) == (False, True, False, False)


async def test_preferences_changed_on_two_nodes_at_once_are_all_kept(pair: Directories) -> None:
    one, other = pair
    await asyncio.gather(
        one.set_preferences(BOB, ROOM, muted=True),
        other.set_preferences(BOB, ROOM, favourite=True),
        other.mark_read(BOB, ROOM, 4),
    )
    assert await one.set_preferences(BOB, ROOM) == Preferences(muted=True, favourite=True)
    assert await one.read_marks(ROOM, 9) == {BOB: 4}


async def test_pins_are_projected_with_their_room(directory: RoomDirectory) -> None:
    pins = [entry(seq, Kind.PIN, {"on": seq != 5}, target=target) for seq, target in ((3, 2), (4, 1), (5, 2))]
    for length in (2, 3):
        state = folded(created(), entry(2), *pins[:length])
        await directory.project(state, [])
        assert await directory.snapshot(ROOM) == replace(state, members={})
    assert state.pins == [1]


async def test_mentions_count_until_they_are_read(directory: RoomDirectory) -> None:
    await directory.project(folded(created(), joined(2, BOB)), [ALICE, BOB])
    for _ in range(2):
        await directory.add_mentions(ROOM, {3: [BOB], 4: [BOB, ALICE], 6: [BOB]})

    async def waiting(user: str) -> tuple[int, int]:
        [row] = await directory.rooms_of(user)
        return row.read_seq, row.mentions

    assert await waiting(BOB) == (0, 3)
    await directory.mark_read(BOB, ROOM, 4)
    assert await waiting(BOB) == (4, 1)
    assert await waiting(ALICE) == (0, 1)
    await directory.add_mentions(ROOM, {3: [BOB]})  # a message that was sent again after it was read
    assert await waiting(BOB) == (4, 1)


async def test_mentions_noted_on_two_nodes_at_once_count_once(pair: Directories) -> None:
    await pair[0].project(folded(created(), joined(2, BOB)), [ALICE, BOB])
    mentions = {seq: [ALICE, BOB] for seq in range(3, 73)}
    await asyncio.gather(
        *(pair[n % 2].add_mentions(ROOM, mentions) for n in range(4)), pair[0].mark_read(BOB, ROOM, 70)
    )
    assert [row.mentions for user in (ALICE, BOB) for row in await pair[1].rooms_of(user)] == [70, 2]


async def test_a_redaction_cursor_never_moves_back(pair: Directories) -> None:
    one, other = pair
    await one.set_redacted_upto(ROOM, 5)
    await other.set_redacted_upto(ROOM, 3)
    assert await one.redacted_upto([ROOM, OTHER_ROOM]) == {ROOM: 5}
    await other.set_redacted_upto(ROOM, 8)
    assert await one.redacted_upto([ROOM]) == {ROOM: 8}
    assert await one.redacted_upto([]) == {}


async def test_a_snapshot_is_a_copy(directory: RoomDirectory) -> None:
    state = folded(created())
    await directory.project(state, [ALICE])
    found = await directory.snapshot(ROOM)
    assert found is not None
    found.members[BOB] = Member(Role.MEMBER, 2)
    assert await directory.snapshot(ROOM) == replace(state)
