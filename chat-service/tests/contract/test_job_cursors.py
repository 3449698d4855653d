"""What every adapter of JobCursors must do. A new adapter joins by its name in `ADAPTERS`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from chat_service.directory.cursors import JobCursors
from chat_service.directory.mongo_cursors import MIGRATIONS as MONGO_MIGRATIONS
from chat_service.directory.mongo_cursors import MongoJobCursors
from chat_service.directory.sqlite_cursors import MIGRATIONS, SqliteJobCursors
from chat_service.storage.migrations import migrate
from chat_service.storage.sqlite import SqliteStore
from rooms.entries import OTHER_ROOM, ROOM
from servers.mongo_stores import mongo_stores

Pair = tuple[JobCursors, JobCursors]


@asynccontextmanager
async def sqlite(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    folder: Path = request.getfixturevalue("tmp_path")
    stores = [SqliteStore(folder / "chat.db") for _ in range(2)]
    for store in stores:
        await store.open(exclusive=False)
    await migrate(stores[0], MIGRATIONS)
    yield SqliteJobCursors(stores[0]), SqliteJobCursors(stores[1])
    for store in stores:
        await store.close()


@asynccontextmanager
async def mongo(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    async with mongo_stores(request.getfixturevalue("mongodb_uri"), MONGO_MIGRATIONS) as (one, other):
        yield MongoJobCursors(one), MongoJobCursors(other)


ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Pair]]] = {
    "sqlite": sqlite,
    "mongo": mongo,
}


@pytest.fixture(params=ADAPTERS)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """The cursors as two workers hold them."""
    async with ADAPTERS[request.param](request) as cursors:
        yield cursors


async def test_a_cursor_stands_where_it_was_moved_to(pair: Pair) -> None:
    one, other = pair
    assert await one.of("a", [ROOM]) == {}
    assert await one.advance("a", ROOM, 0, 3)
    assert await other.of("a", [ROOM, OTHER_ROOM]) == {ROOM: 3}
    assert await other.advance("a", ROOM, 3, 10)
    assert await one.of("a", [ROOM]) == {ROOM: 10}
    assert await one.of("b", [ROOM]) == {}
    assert await one.of("a", []) == {}


async def test_it_is_only_moved_from_where_it_stands(pair: Pair) -> None:
    one, other = pair
    assert await one.advance("a", ROOM, 0, 3)
    assert not await other.advance("a", ROOM, 0, 7)
    assert not await other.advance("a", ROOM, 2, 7)
    assert not await other.advance("a", OTHER_ROOM, 2, 7)
    assert await other.of("a", [ROOM, OTHER_ROOM]) == {ROOM: 3}


async def test_of_many_that_move_it_from_one_place_only_one_does(pair: Pair) -> None:
    for at in range(5):
        moved = await asyncio.gather(*(pair[number % 2].advance("a", ROOM, at, at + 1) for number in range(8)))
        assert moved.count(True) == 1


async def test_it_can_be_put_anywhere(pair: Pair) -> None:
    one, other = pair
    await one.put("a", {ROOM: 5, OTHER_ROOM: 6})
    await other.put("a", {ROOM: 2})
    await other.put("a", {})
    assert await one.of("a", [ROOM, OTHER_ROOM]) == {ROOM: 2, OTHER_ROOM: 6}
    await one.put("a", {ROOM: 0})
    assert await other.advance("a", ROOM, 0, 1)


async def test_a_job_is_forgotten_whole_and_alone(pair: Pair) -> None:
    one, other = pair
    for job in ("a", "b"):
        await one.put(job, {ROOM: 5, OTHER_ROOM: 6})
    await other.forget("a")
    await other.forget("a")
    assert await one.of("a", [ROOM, OTHER_ROOM]) == {}
    assert await one.of("b", [ROOM, OTHER_ROOM]) == {ROOM: 5, OTHER_ROOM: 6}
