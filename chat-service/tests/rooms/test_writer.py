"""The writer of one room, one story at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from chat_service.model.entries import Entry, Kind
from chat_service.model.errors import ChatError, Code
from chat_service.model.rooms import RoomState
from chat_service.model.writes import Write
from chat_service.rooms import writer as writer_module
from chat_service.rooms.recent import Recent
from chat_service.rooms.waiting import WriterLimits
from chat_service.rooms.writer import RoomWriter

from .entries import ALICE, BOB, CAROL, DAVE, ROOM, entry, joined, say, write
from .gates import Fate
from .judging import fold_all
from .virtual_time import played, virtual_loop
from .writer_world import HISTORY, error, flow, let, metrics, receipt, two_nodes

A, B = 0, 1


# Queueing and batches


@played
async def test_what_waits_is_appended_together_in_the_order_received() -> None:
    it = two_nodes()
    it.send(A, say(ALICE, "first"), 0)
    await virtual_loop().idle()
    for number in range(5):
        it.send(A, say((BOB, CAROL)[number % 2], f"k{number}"), 0)
    assert it.writers[A].waiting == 6
    assert [call.name for call in it.gates.waiting] == ["A append"]
    await let(it, Fate.DONE)
    assert [call.name for call in it.gates.waiting] == ["A append"], "one append for all that waited"
    await flow(it)
    assert [one.key for one in it.log.entries(ROOM)[6:]] == ["first", "k0", "k1", "k2", "k3", "k4"]
    assert [receipt(it, number).seq for number in range(6)] == [7, 8, 9, 10, 11, 12]
    assert it.writers[A].waiting == 0


@played
async def test_a_room_with_too_much_waiting_refuses_more_at_once() -> None:
    it = two_nodes()
    it.writers[A]._limits = WriterLimits(queue_entries=3)
    for number in range(3):
        it.send(A, say(ALICE, f"k{number}"), 0)
    with pytest.raises(ChatError) as refused:
        it.writers[A].submit(say(BOB, "one too many"), object())
    assert (refused.value.code, refused.value.retryable) == (Code.OVERLOADED, True)
    await flow(it)
    it.send(A, say(BOB, "one too many"), 0)
    await flow(it)
    assert receipt(it, 3).seq == 10


@played
async def test_a_writer_with_nothing_to_do_has_no_task_and_finishes_at_once() -> None:
    it = two_nodes()
    await it.writers[A].finish()
    it.send(A, say(ALICE, "k"), 0)
    finishing = asyncio.ensure_future(it.writers[A].finish())
    await virtual_loop().idle()
    assert not finishing.done()
    await flow(it)
    assert finishing.done()
    assert it.attempts[0].receipt is not None


@played
async def test_a_batch_has_a_limit_and_the_rest_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "BATCH_LIMIT", 2)
    it = two_nodes()
    for number in range(5):
        it.send(A, say(ALICE, f"k{number}"), 0)
    await let(it, Fate.DONE)
    assert [len(it.log.entries(ROOM)), it.writers[A].waiting] == [8, 3]
    await flow(it)
    assert [receipt(it, number).seq for number in range(5)] == [7, 8, 9, 10, 11]


@played
async def test_nobody_writes_for_one_who_has_gone() -> None:
    it = two_nodes()
    it.send(A, say(ALICE, "k0"), 0)
    it.send(A, say(BOB, "gone"), 0)
    it.attempts[1].answer.cancel()
    await flow(it)
    assert [one.key for one in it.log.entries(ROOM)[6:]] == ["k0"]


@played
async def test_writes_that_others_depend_on_end_a_batch() -> None:
    """Bob is removed in the same moment in which he writes: the removal was received first."""
    it = two_nodes()
    it.send(A, write(Kind.LEAVE, ALICE, "out", {"user": BOB}), 0)
    it.send(A, say(BOB, "too late"), 0)
    await flow(it)
    assert receipt(it, 0).seq == 7
    assert error(it, 1) is Code.NOT_FOUND


# Failing


@played
async def test_a_refused_write_takes_the_waiting_ones_of_its_connection_along() -> None:
    it = two_nodes()
    it.send(A, write(Kind.EDIT, BOB, "bad", {"text": "mine now"}, 4), 0)
    it.send(A, say(BOB, "same connection"), 0)
    it.send(A, say(BOB, "other connection"), 1)
    await flow(it)
    assert error(it, 0) is Code.FORBIDDEN
    assert error(it, 1) is Code.ABORTED
    assert receipt(it, 2).seq == 7
    it.send(A, say(BOB, "same connection"), 0)
    await flow(it)
    assert receipt(it, 3).seq == 8, "sent again after the failure, with the same key"


@played
async def test_a_store_that_is_away_is_asked_again_until_the_time_is_up() -> None:
    it = two_nodes()
    began = virtual_loop().time()
    it.send(A, say(ALICE, "k"), 0)
    it.send(A, say(ALICE, "behind it"), 0)
    calls = 0
    while not it.attempts[0].answer.done():
        await virtual_loop().idle()
        if it.gates.waiting:
            calls += 1
            it.gates.let(0, Fate.FAILED)
        else:
            await asyncio.sleep(0.05)
    assert 10 <= virtual_loop().time() - began < 12
    assert 5 < calls < 60, "with pauses between"
    assert [error(it, 0), error(it, 1)] == [Code.UNAVAILABLE, Code.UNAVAILABLE]
    it.send(A, say(BOB, "later"), 0)
    it.gates.open_all()
    await asyncio.sleep(2)
    assert receipt(it, 2).seq == 7


@played
async def test_an_insert_whose_answer_was_lost_is_found_and_acked() -> None:
    it = two_nodes()
    it.send(A, say(ALICE, "k"), 0)
    await let(it, Fate.LOST, Fate.DONE)
    await asyncio.sleep(1)
    await flow(it)
    assert receipt(it, 0).seq == 7
    assert len(it.log.entries(ROOM)) == 7


@played
async def test_an_insert_that_comes_late_does_not_come_twice() -> None:
    it = two_nodes(refuses_repeated_keys=False)
    it.send(A, say(ALICE, "k"), 0)
    await let(it, Fate.DONE, Fate.LATE)
    await flow(it)
    await asyncio.sleep(1)
    await flow(it)
    assert receipt(it, 0).seq == 7
    it.gates.finish_late()
    assert len(it.log.entries(ROOM)) == 7


@played
async def test_a_defect_of_ours_is_told_and_the_room_goes_on() -> None:
    """Whatever breaks inside one round, everybody in it gets an answer and the next one is written."""

    class Broken:
        broken = True

        async def stored(self, state: RoomState, entries: Sequence[Entry]) -> None: ...

        def publish(self, state: RoomState, entries: Sequence[Entry]) -> None: ...

        async def claim(self, state: RoomState, write: Write) -> Mapping[str, Any]:
            return {}

        async def resolve(self, state: RoomState, entries: Sequence[Entry]) -> list[Entry]:
            if self.broken:
                raise ZeroDivisionError
            return list(entries)

    followers = Broken()
    it = two_nodes()
    writer = RoomWriter(
        it.log,
        fold_all(HISTORY),
        followers,
        node="A",
        clock_ms=lambda: 0,
        limits=WriterLimits(),
        metrics=metrics(),
    )
    answer = writer.submit(say(ALICE, "k"), object())
    await virtual_loop().idle()
    with pytest.raises(ChatError) as told:
        answer.result()
    assert (told.value.code, told.value.retryable) == (Code.INTERNAL, True)
    followers.broken = False
    assert (await writer.submit(say(ALICE, "k"), object())).seq == 7


# Memory


def test_recent_entries_are_an_unbroken_stretch_and_masked() -> None:
    recent = Recent(after=3, limit=3)
    recent.add([entry(4), entry(5, Kind.EDIT, {"text": "x"}, target=4)])
    assert recent.at(4) == entry(4)
    recent.add([entry(6, Kind.DELETE, target=4), joined(7, DAVE)])
    assert recent.after == 4
    assert recent.at(4) is None
    assert recent.with_key(ALICE, "key4") is None
    assert recent.at(5) == entry(5, Kind.EDIT, {}, target=4).masked()
    assert recent.with_key(ALICE, "key7") == joined(7, DAVE)


def test_recent_entries_remember_only_the_redactions_that_matter_still() -> None:
    """A room in which much is deleted for months must not grow by each."""
    recent = Recent(after=0, limit=4)
    for seq in range(1, 101, 2):
        recent.add([entry(seq), entry(seq + 1, Kind.DELETE, target=seq)])
    assert len(recent._redactions.deleted) <= 2
    assert recent.at(99) == entry(99).masked()
