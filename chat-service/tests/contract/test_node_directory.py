"""What every adapter of NodeDirectory must do. A new adapter joins by its name in `ADAPTERS`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from chat_service.directory.mongo_nodes import MIGRATIONS as MONGO_MIGRATIONS
from chat_service.directory.mongo_nodes import MongoNodeDirectory
from chat_service.directory.nodes import NodeDirectory, NodeRow
from chat_service.directory.sqlite_nodes import MIGRATIONS, SqliteNodeDirectory
from chat_service.storage.migrations import migrate
from chat_service.storage.sqlite import SqliteStore
from servers.mongo_stores import mongo_stores

Directories = tuple[NodeDirectory, NodeDirectory]


@asynccontextmanager
async def sqlite(request: pytest.FixtureRequest) -> AsyncIterator[Directories]:
    folder: Path = request.getfixturevalue("tmp_path")
    stores = [SqliteStore(folder / "chat.db") for _ in range(2)]
    for store in stores:
        await store.open(exclusive=False)
    await migrate(stores[0], MIGRATIONS)
    yield SqliteNodeDirectory(stores[0]), SqliteNodeDirectory(stores[1])
    for store in stores:
        await store.close()


@asynccontextmanager
async def mongo(request: pytest.FixtureRequest) -> AsyncIterator[Directories]:
    async with mongo_stores(request.getfixturevalue("mongodb_uri"), MONGO_MIGRATIONS) as (one, other):
        yield MongoNodeDirectory(one), MongoNodeDirectory(other)


ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Directories]]] = {
    "sqlite": sqlite,
    "mongo": mongo,
}


@pytest.fixture(params=ADAPTERS)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Directories]:
    """The directory as two nodes hold it."""
    async with ADAPTERS[request.param](request) as directories:
        yield directories


async def test_each_node_sees_how_the_others_are(pair: Directories) -> None:
    one, other = pair
    await one.beat("a", 1000, bus_healthy=True)
    await other.beat("b", 1005, bus_healthy=False)
    seen = [
        NodeRow(node="a", seen=1000, bus_healthy=True),
        NodeRow(node="b", seen=1005, bus_healthy=False),
    ]
    assert await one.peers(0) == seen
    assert await other.peers(1000) == seen
    assert await other.peers(1001) == seen[1:]


async def test_what_a_node_said_last_is_what_counts(pair: Directories) -> None:
    one, other = pair
    await one.beat("a", 1000, bus_healthy=True)
    await one.beat("a", 2000, bus_healthy=False)
    assert await other.peers(0) == [NodeRow(node="a", seen=2000, bus_healthy=False)]


async def test_a_node_that_left_is_told_from_one_that_is_gone(pair: Directories) -> None:
    one, other = pair
    await one.beat("a", 1000, bus_healthy=True)
    await other.beat("b", 1000, bus_healthy=True)
    await one.leave("a")
    await one.leave("a")
    await one.leave("nobody")
    assert [(row.node, row.left) for row in await other.peers(0)] == [("a", True), ("b", False)]
    await one.beat("a", 3000, bus_healthy=True)
    assert [(row.node, row.left) for row in await other.peers(0)] == [("a", False), ("b", False)]


async def test_nodes_that_were_not_seen_for_long_are_forgotten(pair: Directories) -> None:
    one, other = pair
    for number in range(4):
        await one.beat(f"n{number}", 1000 + number, bus_healthy=True)
    assert await other.prune(1002) == 2
    assert await other.prune(1002) == 0
    assert [row.node for row in await one.peers(0)] == ["n2", "n3"]


async def test_nodes_may_beat_at_once(pair: Directories) -> None:
    await asyncio.gather(*(pair[at % 2].beat(f"n{at:02}", at, bus_healthy=at % 3 > 0) for at in range(40)))
    rows = await pair[0].peers(0)
    assert [(row.node, row.seen, row.bus_healthy) for row in rows] == [
        (f"n{at:02}", at, at % 3 > 0) for at in range(40)
    ]
