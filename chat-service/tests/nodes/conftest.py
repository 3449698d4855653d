"""Worlds of several nodes for the tests of this folder, each on a database and a Redis of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from chat_world import World, world_of

from servers.mongodb import MongoServer, with_database
from servers.redis_server import RedisServer, redis_server


@pytest.fixture
def redis(require: Callable[[str], str], tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own, that it may kill and freeze."""
    with redis_server(require("redis-server"), tmp_path / "redis") as running:
        yield running


@pytest.fixture
async def world(mongodb_uri: str, redis: RedisServer, tmp_path: Path) -> AsyncIterator[World]:
    """Two nodes on a database of the test's own."""
    started = await world_of(mongodb_uri, redis, tmp_path)
    yield started
    await started.close()


@pytest.fixture
async def frail_world(own_mongodb: MongoServer, redis: RedisServer, tmp_path: Path) -> AsyncIterator[World]:
    """Two nodes whose database the test may kill and freeze."""
    started = await world_of(with_database(own_mongodb.uri, "chat"), redis, tmp_path)
    yield started
    await started.close()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """Whatever a test enters is left again before its world ends."""
    async with AsyncExitStack() as entered:
        yield entered
