"""The store or the bus away, or slow: what goes on, and what is said instead of a guess."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import msgspec
import pytest

from chat_service.bus.local import Faults, LocalBus
from chat_service.model.entries import Kind
from chat_service.model.errors import ChatError, Code
from chat_service.rooms import reading
from chat_service.rooms.delivery import DeliveryLimits
from chat_service.rooms.opening import Opened
from chat_service.rooms.waiting import Alone, Load, Waiting, WriterLimits

from .entries import ALICE, BOB, CAROL, ROOM, entry, say
from .gates import Fate
from .one_node import OneNode, one_node
from .virtual_time import played, virtual_loop

SMALL = DeliveryLimits(ring_entries=4, page_entries=8, resume_max_entries=30)


def decoded(opened: Opened) -> list[dict[str, Any]]:
    return [msgspec.json.decode(raw) for raw in opened.entries]


async def fails(asked: Any) -> ChatError:
    with pytest.raises(ChatError) as refused:
        await asked
    return refused.value


class StoreAway:
    """For as long as it lasts every call on the store fails, or with `hangs` has no answer."""

    def __init__(self, node: OneNode, *, hangs: bool = False) -> None:
        self._node = node
        self._hangs = hangs
        self._failing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._node.gates.open_to = False
        if not self._hangs:
            self._failing = asyncio.get_running_loop().create_task(self._fail())

    async def __aexit__(self, *_: object) -> None:
        if self._failing is not None:
            self._failing.cancel()
        self._node.gates.open_all()

    async def _fail(self) -> None:
        while True:
            while self._node.gates.waiting:
                self._node.gates.let(0, Fate.FAILED)
            await asyncio.sleep(0.01)


# Sending


@pytest.mark.parametrize("hangs", [False, True], ids=["refuses", "hangs"])
@played
async def test_a_send_fails_within_two_seconds_while_the_store_is_away(*, hangs: bool) -> None:
    async with one_node() as node:
        async with StoreAway(node, hangs=hangs):
            began = virtual_loop().time()
            problem = await fails(node.rooms.submit(BOB, ROOM, Kind.MESSAGE, {"text": "x"}, key="k"))
            assert virtual_loop().time() - began < 2
            assert (problem.code, problem.retryable) == (Code.UNAVAILABLE, True)
            assert problem.retry_after_ms is not None
        again = await node.rooms.submit(BOB, ROOM, Kind.MESSAGE, {"text": "x"}, key="k")
        assert again.seq == 7, "the same key finds it, or stores it now: once"
        assert len(node.log.entries(ROOM)) == 7


@pytest.mark.parametrize("hangs", [False, True], ids=["refuses", "hangs"])
@played
async def test_a_send_to_a_room_that_is_not_loaded_fails_as_fast(*, hangs: bool) -> None:
    async with one_node() as node:
        node.rooms.active.forget(ROOM)
        async with StoreAway(node, hangs=hangs):
            began = virtual_loop().time()
            problem = await fails(node.rooms.submit(BOB, ROOM, Kind.MESSAGE, {"text": "x"}, key="k"))
            assert virtual_loop().time() - began < 2
            assert problem.code is Code.UNAVAILABLE


@played
async def test_what_waits_behind_a_store_that_hangs_is_let_go_of() -> None:
    """Its sender was answered: it must not stay in memory for as long as the store says nothing."""
    async with one_node() as node:
        await node.rooms.active.load(ROOM)
        async with StoreAway(node, hangs=True):
            answers = [
                node.rooms.submit(ALICE, ROOM, Kind.MESSAGE, {"text": "x"}, key=f"k{number}")
                for number in range(500)
            ]
            assert {(await fails(answer)).code for answer in answers} == {Code.UNAVAILABLE}
            assert node.rooms.active.waiting() <= 100, "the one batch that is on its way"


def test_more_than_a_node_can_keep_waiting_is_refused() -> None:
    async def main() -> None:
        limits = WriterLimits(node_entries=3, node_chars=100)
        load = Load(limits)
        held = [Waiting.now(say(BOB, f"k{number}", "x" * 30), Alone(), limits) for number in range(4)]
        for waiting in held[:3]:
            load.take(waiting)
        with pytest.raises(ChatError) as refused:
            load.take(held[3])
        assert (refused.value.code, refused.value.retryable) == (Code.OVERLOADED, True)
        held[0].answer.cancel()
        await asyncio.sleep(0)
        with pytest.raises(ChatError):
            load.take(Waiting.now(say(BOB, "long", "x" * 50), Alone(), limits))
        load.take(held[3])

    asyncio.run(main())


# Reading


@pytest.mark.parametrize("hangs", [False, True], ids=["refuses", "hangs"])
@played
async def test_who_comes_back_while_the_store_is_away_is_answered_from_memory(*, hangs: bool) -> None:
    async with one_node(SMALL) as node:
        await node.open(node.reader(CAROL))
        last = await node.say(ALICE, times=3)
        async with StoreAway(node, hangs=hangs):
            reader = node.reader(BOB)
            opened = await node.open(reader, 7, after_id=node.log.entries(ROOM)[6].id, epoch=node.epoch)
            assert [one["seq"] for one in decoded(opened)] == [8, 9]
            assert (opened.more, opened.last_id) == (False, last.id)
            current = await node.open(node.reader(BOB), last.seq, after_id=last.id)
            assert (decoded(current), current.more) == ([], False)
        await node.say(ALICE)
        assert reader.seqs() == [10]


@played
async def test_what_is_not_in_memory_is_unavailable_and_never_a_reset_while_the_store_is_away() -> None:
    async with one_node(SMALL) as node:
        await node.open(node.reader(CAROL))
        await node.say(ALICE, times=8)
        async with StoreAway(node):
            for held in ({"after": 7}, {"after": 99}, {"after": 14, "after_id": "other"}, {"epoch": "other"}, {}):
                problem = await fails(node.open(node.reader(BOB), **held))
                assert (problem.code, problem.retryable) == (Code.UNAVAILABLE, True), held
            assert node.rooms.delivery.is_open(ROOM), "Carol's is not disturbed"


@played
async def test_a_resume_shows_no_words_whose_deletion_the_bus_has_lost() -> None:
    """Regression: the deletion was appended and acknowledged on another node, its publish lost. Until the next
    tail check the ring of this node's hub held the words, and whoever resumed was given them from it.
    """
    async with one_node(SMALL) as node:
        await node.open(reader := node.reader(CAROL))
        said = await node.say(ALICE, text="regretted")
        node.elsewhere(entry(8, Kind.DELETE, target=said.seq))
        opened = await node.open(node.reader(BOB), 6)
        assert [(one["seq"], one.get("redacted")) for one in decoded(opened)] == [(7, True), (8, None)]
        assert reader.seqs() == [7, 8], "and everybody else hears of it"


@played
async def test_a_reader_that_was_slow_is_given_no_words_whose_deletion_the_bus_has_lost() -> None:
    async with one_node(SMALL) as node:
        await node.open(reader := node.reader(CAROL))
        reader.congest()
        said = await node.say(ALICE, text="regretted")
        node.elsewhere(entry(8, Kind.DELETE, target=said.seq))
        reader.drain()
        await asyncio.sleep(0.1)
        assert reader.seqs() == [7, 8]
        assert "regretted" not in str(reader.written)


@played
async def test_nobody_is_written_anything_while_it_is_not_known_who_may_read() -> None:
    """Another node removed somebody, and the store is away: fail closed, and go on once it is back."""
    bus = LocalBus(Faults(Random(1)))
    async with one_node(SMALL, bus) as node:
        await node.open(bob := node.reader(BOB))
        await node.open(carol := node.reader(CAROL))
        hub = node.rooms.delivery.hub(ROOM)
        assert hub is not None
        removal = entry(7, Kind.LEAVE, {"user": BOB})
        node.elsewhere(removal, entry(8))
        async with StoreAway(node):
            hub.deliver([reading.item(one) for one in node.log.entries(ROOM)[6:]])
            await asyncio.sleep(3)
            assert (bob.seqs(), carol.seqs()) == ([7], [7]), "the removal, and nothing after it"
        await asyncio.sleep(2)
        assert carol.seqs() == [7, 8]
        assert bob.seqs() == [7]


@played
async def test_pages_that_would_wait_for_too_long_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGES_WAITING", 2)
    async with one_node() as node:
        writer = await node.rooms.active.load(ROOM)
        async with StoreAway(node, hangs=True):
            reads = [
                asyncio.ensure_future(node.rooms.reader.items(writer.state, 0, 10))
                for _ in range(reading.PAGES_AT_ONCE + 3)
            ]
            await virtual_loop().idle()
            assert [(await fails(one)).code for one in reads if one.done()] == [Code.OVERLOADED]
            await asyncio.sleep(reading.PAGE_WAIT_S + 0.1)
            assert [(await fails(one)).code for one in reads if one.done()] == [Code.OVERLOADED] * 3
        assert [len(await one) for one in reads[: reading.PAGES_AT_ONCE]] == [6] * reading.PAGES_AT_ONCE
