"""What takes two writes in MongoDB, stopped between them: what is left does no harm, and a repeat ends it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chat_service.directory import mongo_people, mongo_rooms
from chat_service.directory.mongo_people import MongoPeopleDirectory
from chat_service.directory.mongo_rooms import MongoRoomDirectory
from chat_service.directory.people import Session
from chat_service.model.entries import Head, Kind
from chat_service.model.errors import ChatError, unavailable
from chat_service.model.rooms import RoomState
from chat_service.storage.mongo import MongoCollection
from rooms.entries import ALICE, BOB, ROOM, created, entry, joined
from servers.mongo_stores import mongo_stores

NOW = 1_800_000_000


@contextmanager
def stopped_at(collection: MongoCollection, method: str) -> Iterator[None]:
    """Raise `unavailable` in place of a method, with the work of the `with` cut off there."""

    async def stop(*args: Any, **options: Any) -> Any:
        raise unavailable("stopped")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collection, method, stop)
        with pytest.raises(ChatError):
            yield


async def test_a_session_that_was_revoked_and_not_ended_is_ended_by_a_repeat(mongodb_uri: str) -> None:
    async with mongo_stores(mongodb_uri, mongo_people.MIGRATIONS, 1) as (store,):
        people = MongoPeopleDirectory(store)
        signed_in = {"created": NOW, "last_used": NOW, "expires": NOW + 9, "address": "192.0.2.1", "agent": ""}
        await people.add_session(Session(id="s1", user=ALICE, family=b"f", current=b"c", **signed_in))
        with stopped_at(people._sessions, "update_one"):
            await people.end_session("s1", NOW)
        assert [each.id for each in await people.revocations(0, 0, 9)] == ["s1"]
        assert await people.end_session("s1", NOW + 1)
        assert {each.id for each in await people.revocations(0, 0, 9)} == {"s1"}
        assert not await people.end_session("s1", NOW + 2)


async def test_members_projected_without_their_room_lead_to_it_with_what_the_log_has(mongodb_uri: str) -> None:
    async with mongo_stores(mongodb_uri, mongo_rooms.MIGRATIONS, 1) as (store,):
        directory = MongoRoomDirectory(store)
        log = [created(), joined(2, BOB), entry(3, Kind.LEAVE, {"user": BOB})]
        state = RoomState(ROOM)
        state.apply(log[0])
        await directory.project(state, [ALICE])
        for each in log[1:]:
            state.apply(each)
            with stopped_at(directory._rooms, "update_each"):
                await directory.project(state, [BOB])
        found = await directory.snapshot(ROOM)
        assert found is not None
        assert found.head.seq == 1
        found.catch_up(log[1:], Head(3, log[2].id))
        assert found == state
        await directory.project(found, [BOB])
        assert await directory.snapshot(ROOM) == state


async def test_a_marker_moved_without_its_mentions_hides_them(mongodb_uri: str) -> None:
    async with mongo_stores(mongodb_uri, mongo_rooms.MIGRATIONS, 1) as (store,):
        directory = MongoRoomDirectory(store)
        state = RoomState(ROOM)
        state.apply(created())
        await directory.project(state, [ALICE])
        await directory.add_mentions(ROOM, {2: [ALICE], 5: [ALICE]})
        with stopped_at(directory._mentions, "delete_many"):
            await directory.mark_read(ALICE, ROOM, 3)
        assert [(row.read_seq, row.mentions) for row in await directory.rooms_of(ALICE)] == [(3, 1)]
        assert await directory.mark_read(ALICE, ROOM, 3) == 3
        assert await store.collection("mentions").count({"user": ALICE}, limit=9) == 1
