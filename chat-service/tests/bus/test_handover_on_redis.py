"""Hand-overs between two nodes over a real Redis: there and back, refused, and unanswered where Redis is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chat_service.bus import HandOver, HandOverAnswer, Life, Message
from chat_service.bus.redis import RedisBus
from chat_service.model.entries import Kind
from chat_service.model.errors import ChatError, Code
from chat_service.model.writes import Write, digest_of
from chat_service.observability.metrics import Metrics
from chat_service.rooms.deciding import Receipt
from chat_service.rooms.handover import Handovers
from chat_service.rooms.waiting import Alone, Doubts, Waiting, WriterLimits
from servers.bus_station import PATIENCE_S
from servers.redis_server import RedisServer, redis_server

ROOM = "c" + "a" * 21


@pytest.fixture
def server(require: Callable[[str], str], tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(require("redis-server"), tmp_path / "redis") as running:
        yield running


class Node:
    """A node that stores what it is handed, and refuses what says so."""

    def __init__(self, name: str, server: RedisServer) -> None:
        self.bus = RedisBus(lambda: [server.endpoint], node=name, world="w", metrics=Metrics())
        self.handovers = Handovers(self.bus, Life(name, 1), b"secret")
        self.handovers.is_live = lambda _: True
        self.handovers.serve(self)
        self.stored: list[Write] = []
        self.bus.listen(self._receive)

    def _receive(self, message: Message) -> None:
        if isinstance(message, HandOver):
            self.handovers.take(message)
        elif isinstance(message, HandOverAnswer):
            self.handovers.answered(message)

    async def epoch(self, room: str) -> str:
        """See Queues."""
        assert room == ROOM
        return "world.first"

    def enqueue(self, room: str, waiting: Waiting) -> None:
        """See Queues."""
        assert room == ROOM
        if waiting.write.body["text"] == "refuse":
            waiting.refuse(ChatError(Code.FORBIDDEN, "Not here."))
        else:
            self.stored.append(waiting.write)
            waiting.accept(Receipt(len(self.stored), "id", 1))

    async def well(self, *, well: bool = True) -> None:
        """Wait until the bus is healthy, or is not."""
        async with asyncio.timeout(PATIENCE_S):
            while self.bus.healthy is not well:  # noqa: ASYNC110 - has no event of its own
                await asyncio.sleep(0.02)


def wants(text: str) -> Waiting:
    body = {"text": text, "files": ["f1"]}
    write = Write(Kind.MESSAGE, "u" + "b" * 15, f"key.{text}", digest_of(b"s", Kind.MESSAGE, 4, body), body, 4)
    return Waiting.now(write, Alone(), WriterLimits(timeout_s=PATIENCE_S))


async def test_a_batch_goes_there_and_its_outcomes_come_back(server: RedisServer) -> None:
    far, near = Node("far", server), Node("near", server)
    for node in (far, near):
        await node.bus.start()
        await node.well()
    batch = [wants("one"), wants("refuse"), wants("two")]
    known = None
    for _ in range(10):  # a slow machine may take longer than an answer is waited for
        known = known or await far.handovers.give("near", ROOM, "world.first", batch, Doubts())
    assert known is not None
    outcomes = [verdict for _, verdict in known]
    assert isinstance(outcomes[0], Receipt)
    assert isinstance(outcomes[1], ChatError)
    assert (outcomes[1].code, outcomes[1].message) == (Code.FORBIDDEN, "Not here.")
    assert near.stored[:2] == [batch[0].write, batch[2].write], "as they were sent, every field"
    assert await far.handovers.give("near", ROOM, "another epoch", [wants("three")], Doubts()) is None
    assert await far.handovers.give("nobody", ROOM, "world.first", [wants("four")], Doubts()) is None
    for node in (far, near):
        await node.handovers.stop()
        await node.bus.stop()


async def test_nobody_is_asked_while_redis_is_gone(server: RedisServer) -> None:
    far = Node("far", server)
    await far.bus.start()
    await far.well()
    assert far.handovers.reach("near")
    assert not far.handovers.reach("far"), "one does not ask oneself"
    server.kill()
    await far.well(well=False)
    assert not far.handovers.reach("near")
    await far.bus.stop()
