"""The writer of one room: repeats, and what other nodes wrote, one story at a time."""

from __future__ import annotations

import asyncio

from chat_service.model.entries import Entry, Kind
from chat_service.model.errors import Code

from .entries import ALICE, BOB, CAROL, DAVE, ROOM, entry, say, write
from .gates import Fate
from .judging import fold_all
from .virtual_time import played, virtual_loop
from .writer_world import HISTORY, error, flow, let, receipt, two_nodes

A, B = 0, 1


# Keys


@played
async def test_a_repeat_gets_the_first_receipt_wherever_it_is_sent() -> None:
    it = two_nodes()
    for number, node in enumerate((A, A, B, B)):
        it.send(node, say(BOB, "k"), number)
        await flow(it)
    first, *others = (receipt(it, number) for number in range(4))
    assert not first.duplicate
    assert all((one.seq, one.id, one.ts, one.duplicate) == (first.seq, first.id, first.ts, True) for one in others)


@played
async def test_a_repeat_is_answered_though_its_sender_was_removed_since() -> None:
    it = two_nodes()
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
    it = two_nodes()
    it.send(A, say(BOB, "k", "one"), 0)
    it.send(A, say(BOB, "k", "another"), 1)
    await flow(it)
    assert receipt(it, 0).seq == 7
    assert (error(it, 1), it.attempts[1].error.retryable) == (Code.KEY_REUSED, False)  # type: ignore[union-attr]


@played
async def test_of_a_redacted_message_nobody_learns_the_words_by_its_key() -> None:
    """What was deleted is compared by kind and target alone, whether the node remembers it or looks it up."""
    it = two_nodes()
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
    it = two_nodes()
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
    it = two_nodes()
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
    it = two_nodes(second_knows=3)
    it.send(B, write(Kind.REACTION, CAROL, "k", {"emoji": "x", "on": True}, 5), 0)
    await flow(it)
    assert receipt(it, 0).seq == 7


@played
async def test_a_deleted_message_beyond_memory_cannot_be_edited() -> None:
    it = two_nodes()
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
    it = two_nodes()
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
    it = two_nodes()
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
    it = two_nodes(refuses_repeated_keys=False)
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
    it = two_nodes(second_knows=2)
    it.refresh(B)
    await flow(it)
    assert it.writers[B].state == fold_all(HISTORY)
