"""A node far away from the store, beside a near one that writes all the time, lives by handing over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from chat_service.bus import HandOver, HandOverAnswer, Life, Message
from chat_service.bus.local import LocalBus
from chat_service.model.errors import ChatError
from chat_service.rooms import writer as writer_module
from chat_service.rooms.attachments import NoAttachments
from chat_service.rooms.deciding import Receipt
from chat_service.rooms.handover import Handovers
from chat_service.rooms.publishing import Publisher
from chat_service.rooms.unread import UnreadReports
from chat_service.rooms.waiting import Alone, WriterLimits
from chat_service.rooms.writer import RoomWriter

from .entries import ALICE, BOB, ROOM, say
from .judging import check_log, fold_all
from .memory_directory import MemoryDirectory
from .memory_log import MemoryLog
from .virtual_time import played, virtual_loop
from .writer_world import HISTORY, OneQueue, metrics, nobody

NEAR_S, FAR_S = 0.01, 0.06
"""Seconds to the store and back."""


class Distant:
    """A store as it is seen from a node that is so many seconds away from it, there and back."""

    def __init__(self, store: Any, away_s: float) -> None:
        self._store = store
        self._away_s = away_s

    def __getattr__(self, name: str) -> Any:
        """The store's method, as far away as the store."""
        method: Callable[..., Any] = getattr(self._store, name)
        if not callable(method):
            return method

        async def call(*args: Any, **named: Any) -> Any:
            await asyncio.sleep(self._away_s / 2)
            result = await method(*args, **named)
            await asyncio.sleep(self._away_s / 2)
            return result

        return call


class SlowBus(LocalBus):
    """Carries hand-overs between the nodes in `boxes`, half of the distance of the far one later."""

    def __init__(self, boxes: dict[str, Handovers], away_s: float) -> None:
        super().__init__()
        self._boxes = boxes
        self._away_s = away_s

    def publish(self, message: Message) -> None:
        """See Bus."""
        later = asyncio.get_running_loop().call_later
        if isinstance(message, HandOver):
            later(self._away_s / 2, self._boxes[message.to_node].take, message)
        elif isinstance(message, HandOverAnswer):
            later(self._away_s / 2, self._boxes[message.to_node].answered, message)


class FarAndNear:
    """A node beside the store, which writes at full speed, and one that is far away from both."""

    def __init__(self, *, hands_over: bool) -> None:
        self.log = MemoryLog()
        self.log.insert(ROOM, HISTORY)
        boxes: dict[str, Handovers] = {}
        bus = SlowBus(boxes, FAR_S)
        self.near, self.far = (
            self._writer(bus, boxes, name, away) for name, away in (("A", NEAR_S), ("B", FAR_S))
        )
        for handovers in boxes.values():
            handovers.is_live = lambda _: hands_over
        self.boxes = boxes

    def _writer(self, bus: SlowBus, boxes: dict[str, Handovers], node: str, away_s: float) -> RoomWriter:
        boxes[node] = Handovers(bus, Life(node, 1), b"secret")
        people, none = nobody(), LocalBus()
        unread = UnreadReports(none, node)
        publisher = Publisher(none, MemoryDirectory(), unread, people, NoAttachments(), self.log, "world")
        writer = RoomWriter(
            Distant(self.log, away_s),
            fold_all(HISTORY),
            publisher,
            node=node,
            clock_ms=lambda: 0,
            limits=WriterLimits(),
            metrics=metrics(),
            handovers=boxes[node],
        )
        boxes[node].serve(OneQueue(writer))
        return writer

    async def keep_writing(self) -> None:
        """Always have more waiting at the near node than one batch takes."""
        number = 0
        while True:
            while self.near.waiting < 2 * writer_module.BATCH_LIMIT:
                number += 1
                self.near.submit(say(ALICE, f"near{number}"), Alone()).add_done_callback(_seen)
            await asyncio.sleep(NEAR_S / 2)

    async def say_one_after_the_other(self, name: str, seconds: float) -> list[Receipt | ChatError]:
        """What becomes of somebody's messages at the far node, each sent when the one before is answered."""
        origin, outcomes = Alone(), list[Receipt | ChatError]()
        until = virtual_loop().time() + seconds
        while virtual_loop().time() < until:
            try:
                outcomes.append(await self.far.submit(say(BOB, f"{name}.{len(outcomes)}"), origin))
            except ChatError as problem:
                outcomes.append(problem)
        return outcomes


def _seen(answer: asyncio.Future[Receipt]) -> None:
    answer.exception()


async def far_outcomes(it: FarAndNear, seconds: float) -> list[Receipt | ChatError]:
    """Three people write at the far node while the near one writes all the time."""
    near = asyncio.create_task(it.keep_writing())
    three = [it.say_one_after_the_other(name, seconds) for name in ("x", "y", "z")]
    outcomes = [outcome for one in await asyncio.gather(*three) for outcome in one]
    near.cancel()
    await it.near.finish()
    await it.far.finish()
    check_log(it.log.entries(ROOM))
    for handovers in it.boxes.values():
        await handovers.stop()
    return outcomes


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log in memory is slow where it is long."""
    monkeypatch.setattr(writer_module, "BATCH_LIMIT", 5)


@pytest.mark.usefixtures("small_batches")
@played
async def test_a_far_node_does_not_starve_beside_a_near_one_that_writes_at_full_speed() -> None:
    """60 ms away: when its insert arrives, the seq that it is for has been taken for long."""
    it = FarAndNear(hands_over=True)
    outcomes = await far_outcomes(it, 3.0)
    assert not [outcome for outcome in outcomes if isinstance(outcome, ChatError)]
    assert len(outcomes) >= 15, "each of the three is answered a few times a second"
    assert len(it.log.entries(ROOM)) > 500, "and the near one did write all the time"


@pytest.mark.usefixtures("small_batches")
@played
async def test_without_handing_over_the_far_node_would_starve() -> None:
    """What the test before shows is owed to handing over: without it nothing of the far node is ever stored."""
    it = FarAndNear(hands_over=False)
    outcomes = await far_outcomes(it, 3.0)
    assert outcomes
    assert not [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
