"""A chat world of several nodes: real processes that share a database and a Redis, and people at each of them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from crowd import Crowd, gathered
from service_process import Place, ServiceProcess, free_port

from servers.redis_server import RedisServer

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


async def world_of(uri: str, redis: RedisServer, folder: Path) -> World:
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


async def crowd_over(stack: AsyncExitStack, world: World, *, people: int = 4, rooms: int = 2) -> Crowd:
    """People with rooms in common, half of them at each node, one client each with every room open."""
    crowd = await stack.enter_async_context(gathered(world.places[0].url, people=people, rooms=rooms))
    for number, person in enumerate(crowd.people):
        person.url = world.places[number % 2].url
    await crowd.connect(people)
    return crowd
