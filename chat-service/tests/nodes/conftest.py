"""A chat world of several nodes: real processes that share a real MongoDB-protocol server and a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from crowd import Crowd, gathered
from service_process import Place, ServiceProcess, free_port

from servers.mongodb import MongoServer, with_database
from servers.redis_server import RedisServer, redis_server

SETTINGS = {
    "CHAT_DRAIN_NOTICE_S": "1",
    "CHAT_DRAIN_CLOSE_S": "1",
    "CHAT_STOP_TIMEOUT_S": "20",
    "CHAT_LOG_FORMAT": "json",
}


@dataclass
class World:
    """Nodes by number, and what they share. A node that is started again keeps its place."""

    redis: RedisServer
    places: list[Place]
    nodes: list[ServiceProcess]

    async def start(self, number: int) -> None:
        """Start a node, or start it again, and wait until it serves."""
        self.nodes[number] = ServiceProcess(self.places[number])
        await self.nodes[number].ready(within_s=60)

    def urls(self) -> list[str]:
        """Where the nodes are."""
        return [place.url for place in self.places]

    async def close(self) -> None:
        """End every node, without waiting for anybody."""
        for node in self.nodes:
            await node.kill()


@pytest.fixture
def redis(require: Callable[[str], str], tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own, that it may kill and freeze."""
    with redis_server(require("redis-server"), tmp_path / "redis") as running:
        yield running


@pytest.fixture
async def world(mongodb_uri: str, redis: RedisServer, tmp_path: Path) -> AsyncIterator[World]:
    """Two nodes on a database of the test's own."""
    started = await _world(mongodb_uri, redis, tmp_path)
    yield started
    await started.close()


@pytest.fixture
async def frail_world(own_mongodb: MongoServer, redis: RedisServer, tmp_path: Path) -> AsyncIterator[World]:
    """Two nodes whose database the test may kill and freeze."""
    started = await _world(with_database(own_mongodb.uri, "chat"), redis, tmp_path)
    yield started
    await started.close()


async def _world(uri: str, redis: RedisServer, folder: Path) -> World:
    shared = {
        **SETTINGS,
        "CHAT_MONGODB_URI": uri,
        "CHAT_REDIS_URLS": redis.url,
        "CHAT_FILES_URL": f"file://{folder / 'files'}",
    }
    (folder / "files").mkdir()
    places = [
        Place(folder / f"node-{number}", {**shared, "CHAT_NODE_ID": f"n{number}"}, metrics_port=free_port())
        for number in (1, 2)
    ]
    world = World(redis, places, [ServiceProcess(place) for place in places])
    try:
        await asyncio.gather(*(node.ready(within_s=60) for node in world.nodes))
    except BaseException:
        await world.close()
        raise
    return world


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """Whatever a test enters is left again before its world ends."""
    async with AsyncExitStack() as entered:
        yield entered


async def crowd_over(stack: AsyncExitStack, world: World, *, people: int = 4, rooms: int = 2) -> Crowd:
    """People with rooms in common, half of them at each node, one client each with every room open."""
    crowd = await stack.enter_async_context(gathered(world.places[0].url, people=people, rooms=rooms))
    for number, person in enumerate(crowd.people):
        person.url = world.places[number % 2].url
    await crowd.connect(people)
    return crowd
