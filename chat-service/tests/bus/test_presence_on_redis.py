"""Presence of two nodes over a real Redis: asked for, told, and healed when Redis or a node goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chat_service.bus import Message, Present
from chat_service.bus.redis import RedisBus
from chat_service.observability.metrics import Metrics
from chat_service.rooms import peers
from chat_service.rooms.presence import Presence
from servers.bus_station import PATIENCE_S
from servers.redis_server import RedisServer, redis_server

ANN, BEN = Present("ann"), Present("ben")
GUEST = Present("connection", "Ann")


@pytest.fixture
def server(require: Callable[[str], str], tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(require("redis-server"), tmp_path / "redis") as running:
        yield running


class Node:
    """A node with presence and nothing else; who has the room open is said by `enter` and `leave`."""

    def __init__(self, name: str, server: RedisServer) -> None:
        self.bus = RedisBus(lambda: [server.endpoint], node=name, world="w", metrics=Metrics())
        self.presence = Presence(self.bus, name, lambda: time.time_ns() // 1_000_000)
        self.told: list[tuple[Present, bool]] = []
        self.presence.watch(lambda room, person, here, origin: self.told.append((person, here)))
        self.heard: list[Message] = []
        self.bus.listen(self._receive)

    def _receive(self, message: Message) -> None:
        self.heard.append(message)
        self.presence.receive(message)

    async def start(self) -> None:
        await self.bus.start()
        self.presence.start()

    async def serve(self) -> None:
        await self.bus.subscribe("room")
        await self.presence.served("room")

    async def stop(self) -> None:
        await self.presence.stop()
        await self.bus.stop()

    async def sees(self, *people: Present) -> None:
        """Wait until these are present, and nobody else."""
        async with asyncio.timeout(PATIENCE_S):
            while set(self.presence.present("room")) != set(people):  # noqa: ASYNC110 - has no event of its own
                await asyncio.sleep(0.02)


async def two_nodes(server: RedisServer) -> tuple[Node, Node]:
    one, other = Node("one", server), Node("other", server)
    for node in (one, other):
        await node.start()
    async with asyncio.timeout(PATIENCE_S):
        while not (len(one.presence._peers) and len(other.presence._peers)):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
    return one, other


async def test_who_is_there_is_asked_told_and_taken_back(server: RedisServer) -> None:
    one, other = await two_nodes(server)
    await one.serve()
    one.presence.enter("room", "c1", ANN)
    one.presence.enter("room", "c2", GUEST)
    await other.serve()
    await other.sees(ANN, GUEST)
    other.presence.enter("room", "c3", BEN)
    await one.sees(ANN, GUEST, BEN)
    one.presence.leave("room", "c2")
    await other.sees(ANN, BEN)
    await one.stop()
    await other.sees(BEN)
    assert other.told[-1] == (ANN, False)
    await other.stop()


async def test_what_redis_loses_is_made_good(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "GONE_AFTER_S", 3.0)
    one, other = await two_nodes(server)
    for node, person in ((one, ANN), (other, BEN)):
        await node.serve()
        node.presence.enter("room", f"c{person.id}", person)
    for node in (one, other):
        await node.sees(ANN, BEN)
    await asyncio.get_running_loop().run_in_executor(None, server.kill)
    one.presence.enter("room", "guest", GUEST)
    await one.sees(ANN, GUEST)
    await other.sees(BEN)
    await asyncio.get_running_loop().run_in_executor(None, server.start)
    for node in (one, other):
        await node.sees(ANN, BEN, GUEST)
    await one.stop()
    await other.stop()


async def test_the_people_of_a_node_that_is_silent_are_gone(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "GONE_AFTER_S", 3.0)
    monkeypatch.setattr(peers, "ALIVE_EVERY_S", 0.5)
    one, other = await two_nodes(server)
    await one.serve()
    one.presence.enter("room", "c1", ANN)
    await other.serve()
    await other.sees(ANN)
    await one.bus.stop()
    await other.sees()
    assert other.told == [(ANN, True), (ANN, False)]
    await one.presence.stop()
    await other.stop()
