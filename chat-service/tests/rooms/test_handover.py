"""Handing over between nodes, one story at a time."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from chat_service.bus import HandOver, HandOverAnswer, Life
from chat_service.model.entries import Kind
from chat_service.model.errors import Code
from chat_service.rooms import handover as handover_module
from chat_service.rooms.handover import Handovers
from chat_service.rooms.waiting import WriterLimits

from .entries import ALICE, BOB, ROOM, say, write
from .gates import Fate
from .virtual_time import played, virtual_loop
from .writer_world import HISTORY, WriterWorld, error, flow, let, receipt, two_nodes

A, B = 0, 1


def losing(*, refuses_repeated_keys: bool = True) -> WriterWorld:
    """Node B has lost to node A again and again."""
    it = two_nodes(refuses_repeated_keys=refuses_repeated_keys, hands_over=True)
    lose(it)
    return it


def lose(it: WriterWorld) -> None:
    """Have node B lose to node A as often as it takes."""
    it.writers[B].picture.last_node = "A"
    for _ in range(handover_module.LOST_ROUNDS):
        it.writers[B]._races.lost(virtual_loop().time())


async def give_up_waiting(it: WriterWorld) -> None:
    """Nobody answers B within the time that it waits."""
    await virtual_loop().idle()
    assert not it.gates.waiting, "while it waits for an answer it neither reads nor inserts"
    await asyncio.sleep(handover_module.WAIT_S)
    await virtual_loop().idle()


async def fail_calls(it: WriterWorld, seconds: float) -> None:
    """The store is away for so long."""
    until = virtual_loop().time() + seconds
    while virtual_loop().time() < until:
        await virtual_loop().idle()
        while it.gates.waiting:
            it.gates.let(0, Fate.FAILED)
            await virtual_loop().idle()
        await asyncio.sleep(0.05)


# The way there and back


@played
async def test_what_is_handed_over_is_appended_by_the_other_node_and_answered_by_its_own() -> None:
    it = losing()
    it.send(B, say(BOB, "one"), 0)
    it.send(B, say(ALICE, "two"), 0)
    await virtual_loop().idle()
    assert [type(letter) for letter in it.post.letters] == [HandOver]
    assert not it.gates.waiting
    it.post.deliver(0)
    await flow(it)
    assert [type(letter) for letter in it.post.letters] == [HandOverAnswer]
    it.post.deliver(0)
    await virtual_loop().idle()
    stored = it.log.entries(ROOM)[len(HISTORY) :]
    assert [(one.key, one.node) for one in stored] == [("one", "A"), ("two", "A")]
    assert [receipt(it, number).id for number in range(2)] == [one.id for one in stored]
    assert not receipt(it, 0).duplicate


@played
async def test_a_refusal_comes_back_as_it_is_and_takes_the_same_connection_along() -> None:
    it = losing()
    it.send(B, write(Kind.EDIT, BOB, "bad", {"text": "mine now"}, 4), 0)
    it.send(B, say(BOB, "same connection"), 0)
    it.send(B, say(BOB, "other connection"), 1)
    await virtual_loop().idle()
    it.post.deliver(0)
    await flow(it)
    it.post.deliver(0)
    await virtual_loop().idle()
    assert [error(it, 0), error(it, 1)] == [Code.FORBIDDEN, Code.ABORTED]
    assert receipt(it, 2).seq == 7


@played
async def test_a_question_that_is_lost_costs_a_moment_and_nothing_else() -> None:
    it = losing()
    it.send(B, say(BOB, "k"), 0)
    await virtual_loop().idle()
    it.post.deliver(0, lose=True)
    await give_up_waiting(it)
    await flow(it)
    assert receipt(it, 0).seq == 7
    assert it.log.entries(ROOM)[6].node == "B"


@played
async def test_an_answer_that_is_lost_is_found_in_the_log() -> None:
    """A appended it, and B never hears: B reads before it tries, and must not append it once more."""
    it = losing()
    it.send(B, say(BOB, "k"), 0)
    await virtual_loop().idle()
    it.post.deliver(0)
    await flow(it)
    it.post.deliver(0, lose=True)
    await give_up_waiting(it)
    await flow(it)
    assert receipt(it, 0).seq == 7
    assert len(it.log.entries(ROOM)) == 7


@played
async def test_what_was_handed_over_is_never_handed_on() -> None:
    it = losing()
    for _ in range(handover_module.LOST_ROUNDS):
        it.writers[A]._races.lost(virtual_loop().time())
    it.writers[A].picture.last_node = "B"
    it.send(B, say(BOB, "k"), 0)
    await virtual_loop().idle()
    it.post.deliver(0)
    await flow(it)
    assert [type(letter) for letter in it.post.letters] == [HandOverAnswer]
    it.post.deliver(0)
    assert it.log.entries(ROOM)[6].node == "A"


# What is not known


@played
async def test_a_refusal_is_not_believed_while_another_node_may_still_append() -> None:
    """Bob's message is handed over and lies on the bus. B waits in vain, reads that Bob was removed, and would
    refuse it for good. Then Alice lets Bob in again, and A takes the hand-over: the message is stored after all.
    """
    it = losing()
    it.send(B, say(BOB, "k"), 0)
    await virtual_loop().idle()
    it.send(A, write(Kind.LEAVE, ALICE, "out", {"user": BOB}), 0)
    await flow(it)
    await asyncio.sleep(handover_module.WAIT_S)
    await flow(it)
    assert error(it, 0) is Code.UNAVAILABLE, "not known: `not_found` would have been a lie"
    it.send(A, write(Kind.JOIN, ALICE, "in", {"user": BOB, "role": "member"}), 0)
    await flow(it)
    it.post.deliver(0)
    await flow(it)
    assert it.log.entries(ROOM)[-1].key == "k"


@played
async def test_a_node_that_cannot_append_what_it_took_says_nothing_for_good() -> None:
    """A's store is away, already when A looks the keys up: that is A's own trouble, and no reason to refuse for
    good what came to B, nor what stands behind it.
    """
    it = losing(refuses_repeated_keys=False)
    it.send(B, say(BOB, "one"), 0)
    it.send(B, say(BOB, "two"), 0)
    await virtual_loop().idle()
    it.post.deliver(0)
    while not it.post.letters:
        await fail_calls(it, 0.05)
    it.post.deliver_all()
    await flow(it)
    await asyncio.sleep(2)
    await flow(it)
    assert [receipt(it, number).seq for number in range(2)] == [7, 8]


@played
async def test_a_defect_of_the_node_that_took_it_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log did not refuse it: the node that was asked broke, before anything was inserted."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    it = losing()
    monkeypatch.setattr(it.writers[A]._followers, "resolve", broken)
    it.send(B, say(BOB, "one"), 0)
    it.send(B, say(BOB, "two"), 0)
    await virtual_loop().idle()
    it.post.deliver_all()
    await virtual_loop().idle()
    it.post.deliver_all()
    await flow(it)
    assert [receipt(it, number).seq for number in range(2)] == [7, 8]


@played
async def test_what_was_handed_over_does_not_fail_for_good_with_what_it_stood_behind() -> None:
    """ "one" and "two" are handed over together, and nobody answers. When the time of "one" is up, "two" must not
    be told that it was not tried: A may yet append both, and here it does.
    """
    it = two_nodes(refuses_repeated_keys=False, hands_over=True)
    it.send(B, say(BOB, "one"), 0)
    await fail_calls(it, 1.0)
    it.send(B, say(BOB, "two"), 0)
    lose(it)
    while not it.post.letters:
        await fail_calls(it, 0.05)
    await fail_calls(it, 9.5)
    assert [error(it, 0), error(it, 1)] == [Code.UNAVAILABLE, Code.UNAVAILABLE]
    it.post.deliver(0)
    await flow(it)
    assert [one.key for one in it.log.entries(ROOM)[6:]] == ["one", "two"]


@played
async def test_after_a_hand_over_of_unknown_outcome_a_connection_repeats_that_write_first() -> None:
    """Bob's "one" may lie with A, which can append it at any later moment: "two", sent once "one" was answered
    as unknown, would then stand before it although it was sent after it.
    """
    it = losing()
    it.writers[B]._limits = WriterLimits(timeout_s=0.5 + handover_module.SPARE_S)
    it.send(B, say(BOB, "one"), 0)
    await virtual_loop().idle()
    await asyncio.sleep(0.5)  # no answer
    await asyncio.sleep(handover_module.SPARE_S)  # and the store does not answer either
    assert error(it, 0) is Code.UNAVAILABLE
    it.send(B, say(BOB, "two"), 0)
    assert error(it, 1) is Code.ABORTED
    it.send(B, say(BOB, "elsewhere"), 1)
    it.send(B, say(BOB, "one"), 0)
    await flow(it)
    assert sorted([receipt(it, 2).seq, receipt(it, 3).seq]) == [7, 8]
    it.send(B, say(BOB, "two"), 0)
    await flow(it)
    assert receipt(it, 4).seq == 9


@played
async def test_a_write_in_doubt_is_refused_for_good_where_no_entry_can_allow_it_any_more() -> None:
    """Bob's edit may lie with A when his message is deleted: from then on no node can store it, so he is told, and
    goes on. Else he would repeat it for as long as he is connected, and nothing else of his would be taken.
    """
    it = losing()
    it.send(B, write(Kind.EDIT, BOB, "edit", {"text": "better"}, 5), 0)
    await virtual_loop().idle()
    it.send(A, write(Kind.DELETE, BOB, "gone", {}, 5), 1)
    await flow(it)
    await asyncio.sleep(handover_module.WAIT_S)  # no answer
    await flow(it)
    assert error(it, 0) is Code.NOT_FOUND
    it.send(B, say(BOB, "next"), 0)
    await flow(it)
    assert receipt(it, 2).seq == 8
    it.post.deliver_all()
    await flow(it)
    assert [one.key for one in it.log.entries(ROOM)[6:]] == ["gone", "next"]


@played
async def test_what_was_sent_behind_a_write_in_doubt_goes_along_with_a_refusal_of_it() -> None:
    """A says that "one" is refused, which Bob's node cannot believe: an earlier hand-over of it had no answer, and
    Bob may be let in again. Were "two" stored then, "one" could still come to stand behind it.
    """
    it = losing()
    it.gates.only = frozenset({"append"})
    it.send(B, say(BOB, "one"), 0)
    await virtual_loop().idle()
    it.post.deliver(0, lose=True)
    await give_up_waiting(it)
    it.send(A, write(Kind.LEAVE, ALICE, "out", {"user": BOB}), 0)
    await virtual_loop().idle()
    assert [call.name for call in it.gates.waiting] == ["B append", "A append"]
    it.gates.let(1, Fate.DONE)
    await virtual_loop().idle()
    lose(it)
    await let(it, Fate.DONE)
    it.send(B, say(BOB, "two"), 0)
    it.post.deliver(0)
    await virtual_loop().idle()
    it.send(A, write(Kind.JOIN, ALICE, "in", {"user": BOB, "role": "member"}), 0)
    await flow(it)
    it.post.deliver(0)
    await flow(it)
    assert [error(it, 0), error(it, 2)] == [Code.UNAVAILABLE, Code.ABORTED]
    assert [one.key for one in it.log.entries(ROOM)[6:]] == ["out", "in"]


@played
async def test_a_hand_over_that_the_bus_repeats_is_taken_once() -> None:
    """The repeat comes when the first has been refused and Bob was let in again: taking it would store what
    its sender was told is refused.
    """
    it = losing()
    it.send(B, say(BOB, "k"), 0)
    await virtual_loop().idle()
    it.send(A, write(Kind.LEAVE, ALICE, "out", {"user": BOB}), 0)
    await flow(it)
    it.post.deliver(0, keep=True)
    await flow(it)
    it.post.deliver(1)
    await virtual_loop().idle()
    assert error(it, 0) is Code.NOT_FOUND
    it.send(A, write(Kind.JOIN, ALICE, "in", {"user": BOB, "role": "member"}), 0)
    await flow(it)
    it.post.deliver(0)
    await flow(it)
    assert [one.key for one in it.log.entries(ROOM)[6:]] == ["out", "in"]


# Bounds and trust


@played
async def test_a_batch_that_is_too_large_is_handed_over_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover_module, "MESSAGE_BYTES", 1000)
    it = losing()
    for number in range(4):
        it.send(B, say(BOB, f"k{number}", "x" * 300), 0)
    for _ in range(8):
        await virtual_loop().idle()
        assert all(len(msgspec.msgpack.encode(letter)) < 1500 for letter in it.post.letters)
        it.post.deliver_all()
        await flow(it)
    assert [receipt(it, number).seq for number in range(4)] == [7, 8, 9, 10]
    assert {one.node for one in it.log.entries(ROOM)[6:]} == {"A"}


@played
async def test_a_write_that_is_too_large_alone_is_not_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover_module, "MESSAGE_BYTES", 1000)
    it = losing()
    it.send(B, say(BOB, "k", "x" * 2000), 0)
    await flow(it)
    assert not it.post.letters
    assert receipt(it, 0).seq == 7


@played
async def test_nothing_is_taken_from_whoever_does_not_know_the_secret_of_the_nodes() -> None:
    """Somebody who can write to Redis must not be able to write to rooms in other people's names by that."""
    it = losing()
    stranger = Handovers(it.post, Life("B", 1), b"guessed")
    it.send(B, say(BOB, "k"), 0)
    await virtual_loop().idle()
    [letter] = it.post.letters
    assert isinstance(letter, HandOver)
    forged = msgspec.structs.replace(letter, number=99, proof=b"")
    it.post.letters = [msgspec.structs.replace(forged, proof=stranger._proof(forged))]
    it.post.deliver(0)
    await virtual_loop().idle()
    assert not it.gates.waiting
    await asyncio.sleep(handover_module.WAIT_S)
    await flow(it)
    assert it.log.entries(ROOM)[6].node == "B"


@played
async def test_a_node_that_is_not_there_is_not_asked() -> None:
    it = losing()
    it.handovers[B].is_live = lambda node: False
    it.send(B, say(BOB, "k"), 0)
    await flow(it)
    assert not it.post.letters
    assert receipt(it, 0).seq == 7
