"""The writer of one room, one story at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from chat_service.model.entries import Entry, Kind
from chat_service.model.errors import ChatError, Code
from chat_service.model.rooms import RoomState
from chat_service.rooms import writer as writer_module
from chat_service.rooms.deciding import Receipt
from chat_service.rooms.recent import Recent
from chat_service.rooms.writer import RoomWriter, WriterLimits

from .entries import ALICE, BOB, CAROL, DAVE, ROOM, entry, joined, say, write
from .gates import Fate
from .judging import fold_all
from .virtual_time import played, virtual_loop
from .writer_world import HISTORY, WriterWorld, metrics

A, B = 0, 1


def world(second_knows: int = len(HISTORY), *, refuses_repeated_keys: bool = True) -> WriterWorld:
    return WriterWorld(refuses_repeated_keys=refuses_repeated_keys, second_knows=second_knows)


async def let(it: WriterWorld, *fates: Fate) -> None:
    """Open the gates one after the other, in the order of the calls."""
    for fate in fates:
        await virtual_loop().idle()
        assert it.gates.waiting, "no call waits"
        it.gates.let(0, fate)
    await virtual_loop().idle()


async def flow(it: WriterWorld) -> None:
    """Let every call through."""
    await virtual_loop().idle()
    while it.gates.waiting:
        await let(it, Fate.DONE)


def error(it: WriterWorld, attempt: int) -> Code:
    problem = it.attempts[attempt].error
    assert problem is not None
    return problem.code


def receipt(it: WriterWorld, attempt: int) -> Receipt:
    found = it.attempts[attempt].receipt
    assert found is not None, it.attempts[attempt].error
    return found


# Queueing and batches


@played
async def test_what_waits_is_appended_together_in_the_order_received() -> None:
    it = world()
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
    it = world()
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
    it = world()
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
    it = world()
    for number in range(5):
        it.send(A, say(ALICE, f"k{number}"), 0)
    await let(it, Fate.DONE)
    assert [len(it.log.entries(ROOM)), it.writers[A].waiting] == [8, 3]
    await flow(it)
    assert [receipt(it, number).seq for number in range(5)] == [7, 8, 9, 10, 11]


@played
async def test_nobody_writes_for_one_who_has_gone() -> None:
    it = world()
    it.send(A, say(ALICE, "k0"), 0)
    it.send(A, say(BOB, "gone"), 0)
    it.attempts[1].answer.cancel()
    await flow(it)
    assert [one.key for one in it.log.entries(ROOM)[6:]] == ["k0"]


@played
async def test_writes_that_others_depend_on_end_a_batch() -> None:
    """Bob is removed in the same moment in which he writes: the removal was received first."""
    it = world()
    it.send(A, write(Kind.LEAVE, ALICE, "out", {"user": BOB}), 0)
    it.send(A, say(BOB, "too late"), 0)
    await flow(it)
    assert receipt(it, 0).seq == 7
    assert error(it, 1) is Code.NOT_FOUND


# Failing


@played
async def test_a_refused_write_takes_the_waiting_ones_of_its_connection_along() -> None:
    it = world()
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
    it = world()
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
    it = world()
    it.send(A, say(ALICE, "k"), 0)
    await let(it, Fate.LOST, Fate.DONE, Fate.DONE)
    await asyncio.sleep(1)
    await flow(it)
    assert receipt(it, 0).seq == 7
    assert len(it.log.entries(ROOM)) == 7


@played
async def test_an_insert_that_comes_late_does_not_come_twice() -> None:
    it = world(refuses_repeated_keys=False)
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

        async def resolve(self, state: RoomState, entries: Sequence[Entry]) -> list[Entry]:
            if self.broken:
                raise ZeroDivisionError
            return list(entries)

    followers = Broken()
    it = world()
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


# Keys


@played
async def test_a_repeat_gets_the_first_receipt_wherever_it_is_sent() -> None:
    it = world()
    for number, node in enumerate((A, A, B, B)):
        it.send(node, say(BOB, "k"), number)
        await flow(it)
    first, *others = (receipt(it, number) for number in range(4))
    assert not first.duplicate
    assert all((one.seq, one.id, one.ts, one.duplicate) == (first.seq, first.id, first.ts, True) for one in others)


@played
async def test_a_repeat_is_answered_though_its_sender_was_removed_since() -> None:
    it = world()
    it.send(A, say(BOB, "k"), 0)
    await flow(it)
    it.send(A, write(Kind.LEAVE, ALICE, "out", {"user": BOB}), 0)
    await flow(it)
    for node in (A, B):
        it.send(node, say(BOB, "k"), 0)
        await flow(it)
    assert [receipt(it, number).seq for number in (0, 2, 3)] == [7, 7, 7]


@played
async def test_a_key_of_another_request_is_refused_for_good() -> None:
    it = world()
    it.send(A, say(BOB, "k", "one"), 0)
    it.send(A, say(BOB, "k", "another"), 1)
    await flow(it)
    assert receipt(it, 0).seq == 7
    assert (error(it, 1), it.attempts[1].error.retryable) == (Code.KEY_REUSED, False)  # type: ignore[union-attr]


@played
async def test_of_a_redacted_message_nobody_learns_the_words_by_its_key() -> None:
    """What was deleted is compared by kind and target alone, whether the node remembers it or looks it up."""
    it = world()
    it.send(A, write(Kind.DELETE, ALICE, "del", {}, 5), 0)
    await flow(it)
    it.send(B, say(BOB, "old", "a guess"), 0)
    it.send(B, write(Kind.REACTION, BOB, "old", {"emoji": "x", "on": True}, 4), 1)
    await flow(it)
    assert receipt(it, 1).seq == 5
    assert error(it, 2) is Code.KEY_REUSED


@played
async def test_a_repeat_of_a_deleted_message_is_not_published_with_its_words() -> None:
    """Regression: a repeat publishes its entry again, to heal a publish that was lost. Where the entry was
    beyond the node's memory it was read from the log as stored, so a message deleted a moment ago, its body
    not yet overwritten, went out to every reader once more.
    """
    it = world()
    published: list[Entry] = []
    it.writers[B]._followers.publish = lambda _, entries: published.extend(entries)  # type: ignore[method-assign]
    it.send(A, write(Kind.DELETE, ALICE, "del", {}, 5), 0)
    await flow(it)
    it.send(B, say(BOB, "k"), 0)
    await flow(it)
    published.clear()
    old = write(Kind.MESSAGE, BOB, "old", {"text": "text 5"})
    it.send(B, old, 0)
    await flow(it)
    assert receipt(it, 2).seq == 5
    assert published == [HISTORY[4].masked()]


# Other nodes


@played
async def test_a_lost_race_is_decided_again_from_the_start() -> None:
    """Both nodes have a batch under way when Bob is removed on one of them: on the other he is refused."""
    it = world()
    it.send(B, say(BOB, "too late"), 0)
    it.send(B, say(CAROL, "in time"), 0)
    await virtual_loop().idle()
    it.send(A, write(Kind.LEAVE, ALICE, "out", {"user": BOB}), 0)
    await virtual_loop().idle()
    it.gates.let(1, Fate.DONE)
    await flow(it)
    assert receipt(it, 2).seq == 7
    assert error(it, 0) is Code.NOT_FOUND
    assert receipt(it, 1).seq == 8


@played
async def test_a_node_that_has_not_heard_of_a_message_reads_before_it_refuses() -> None:
    """Carol reacts on B to what she was shown; B's writer has not written here since before it."""
    it = world(second_knows=3)
    it.send(B, write(Kind.REACTION, CAROL, "k", {"emoji": "x", "on": True}, 5), 0)
    await flow(it)
    assert receipt(it, 0).seq == 7


@played
async def test_a_deleted_message_beyond_memory_cannot_be_edited() -> None:
    it = world()
    it.send(A, write(Kind.DELETE, BOB, "del", {}, 5), 0)
    await flow(it)
    for number in range(4):
        it.send(A, say(ALICE, f"k{number}"), 0)
    it.send(A, write(Kind.EDIT, BOB, "edit", {"text": "again"}, 5), 0)
    it.send(A, write(Kind.REACTION, BOB, "react", {"emoji": "x", "on": True}, 5), 1)
    await flow(it)
    assert [error(it, 5), error(it, 6)] == [Code.NOT_FOUND, Code.NOT_FOUND]


@played
async def test_a_change_whose_projection_failed_is_projected_with_the_next_one() -> None:
    """Regression: Carol's leaving was stored, its projection failed until she was told `unavailable`. The next
    change projected the room up to itself and its own member only: the directory said that nothing before it
    was missing, and after a restart Carol was a member again.
    """
    it = world()
    it.send(A, write(Kind.LEAVE, CAROL, "leave", {"user": CAROL}), 0)
    await let(it, Fate.DONE)
    assert [call.name for call in it.gates.waiting] == ["A project"]
    await asyncio.sleep(11)
    await let(it, Fate.FAILED)
    assert error(it, 0) is Code.UNAVAILABLE
    it.send(A, write(Kind.LEAVE, ALICE, "out", {"user": BOB}), 0)
    await asyncio.sleep(1)
    await flow(it)
    assert receipt(it, 1).seq == 8
    found = await it.directory.snapshot(ROOM)
    assert found == fold_all(it.log.entries(ROOM))
    assert set(found.members) == {ALICE}


@played
async def test_a_change_that_a_dead_node_did_not_project_is_projected_with_the_next_one() -> None:
    """Regression, the same from elsewhere: B appended Bob's leaving and died; A read it and wrote on."""
    it = world()
    it.log.insert(ROOM, [entry(7, Kind.LEAVE, {"user": BOB})])
    it.send(A, write(Kind.JOIN, ALICE, "in", {"user": DAVE, "role": "member"}), 0)
    await flow(it)
    found = await it.directory.snapshot(ROOM)
    assert found == fold_all(it.log.entries(ROOM))
    assert set(found.members) == {ALICE, CAROL, DAVE}


@played
async def test_a_repeat_on_a_node_that_has_not_heard_of_it_is_acked_once_it_is_projected() -> None:
    """Regression: Bob's removal was stored by A, its projection not yet. The same request on B was found by
    its key; B projected the room as B knew it, before the removal, and acked.
    """
    it = world(refuses_repeated_keys=False)
    out = write(Kind.LEAVE, ALICE, "out", {"user": BOB})
    it.send(A, out, 0)
    await let(it, Fate.DONE, Fate.DONE)
    assert [call.name for call in it.gates.waiting] == ["A project"]
    it.send(B, out, 0)
    await virtual_loop().idle()
    while it.attempts[1].receipt is None:
        [which] = [at for at, call in enumerate(it.gates.waiting) if call.name.startswith("B ")]
        it.gates.let(which, Fate.DONE)
        await virtual_loop().idle()
    assert it.directory.rooms[ROOM].head.seq >= 7
    assert BOB not in (await it.directory.snapshot(ROOM)).members  # type: ignore[union-attr]
    await flow(it)


@played
async def test_a_node_catches_up_on_request_and_then_knows_the_room() -> None:
    it = world(second_knows=2)
    it.refresh(B)
    await flow(it)
    assert it.writers[B].state == fold_all(HISTORY)


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
