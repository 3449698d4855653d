"""The rooms in memory: loaded once, let go when unused, and order kept for what is sent before they are there."""

from __future__ import annotations

import asyncio

import pytest

from chat_service.model.entries import Head, Kind
from chat_service.model.errors import ChatError, Code
from chat_service.model.rooms import RoomState
from chat_service.rooms import active as active_module
from chat_service.rooms import picture as picture_module
from chat_service.rooms.deciding import Receipt
from chat_service.rooms.waiting import Alone

from .entries import ALICE, BOB, CAROL, DAVE, OTHER_ROOM, ROOM, created, entry, joined, say
from .gates import Fate
from .judging import fold_all
from .memory_directory import MemoryDirectory
from .memory_log import MemoryLog
from .one_node import OneNode, one_node
from .virtual_time import played, virtual_loop
from .writer_world import HISTORY


def room(number: int) -> str:
    return "c" + "abcdefgh"[number] * 21


def waiting(node: OneNode) -> list[str]:
    return [call.name for call in node.gates.waiting]


async def made(node: OneNode, *numbers: int) -> None:
    for number in numbers:
        await node.rooms.act(ALICE, room(number), Kind.CREATE, {"kind": "channel", "name": "x"})


# Loading


@played
async def test_a_room_is_read_once_for_everybody_who_asks_at_once() -> None:
    async with one_node() as node:
        node.gates.open_to = False
        asked = [asyncio.ensure_future(node.rooms.active.load(ROOM)) for _ in range(3)]
        await virtual_loop().idle()
        assert waiting(node) == ["A snapshot"]
        asked[0].cancel()
        node.gates.open_all()
        _, one, other = await asyncio.gather(*asked, return_exceptions=True)
        assert one is other
        assert one is node.rooms.active.get(ROOM)


@played
async def test_a_room_that_does_not_exist_is_empty() -> None:
    async with one_node() as node:
        writer = await node.rooms.active.load(OTHER_ROOM)
        assert writer.state == RoomState(OTHER_ROOM)
        assert not writer.state.exists


@played
async def test_loading_goes_on_from_the_snapshot_and_projects_what_it_lacked() -> None:
    """A crash between the append and its projection: whoever loads the room does the rest."""
    async with one_node() as node:
        node.elsewhere(joined(7, DAVE), entry(8), entry(9, Kind.LEAVE, {"user": CAROL}), entry(10))
        writer = await node.rooms.active.load(ROOM)
        assert writer.state == fold_all(node.log.entries(ROOM))
        assert await node.directory.snapshot(ROOM) == writer.state
        assert [row.room for row in await node.directory.rooms_of(DAVE)] == [ROOM]
        assert await node.directory.rooms_of(CAROL) == []


@played
async def test_what_is_appended_between_two_reads_of_loading_is_not_lost() -> None:
    async with one_node() as node:
        node.gates.open_to = False
        asked = asyncio.ensure_future(node.rooms.active.load(ROOM))
        await virtual_loop().idle()
        node.gates.let(0, Fate.DONE)
        await virtual_loop().idle()
        assert waiting(node) == ["A head"]
        node.gates.let(0, Fate.DONE)
        await virtual_loop().idle()
        node.elsewhere(entry(7), joined(8, DAVE))
        node.gates.open_all()
        state = (await asked).state
        assert state.head == Head(8, "id8")
        assert state == fold_all(node.log.entries(ROOM))


@played
async def test_a_room_that_could_not_be_read_is_read_again_by_the_next_who_asks() -> None:
    async with one_node() as node:
        node.gates.open_to = False
        asked = asyncio.ensure_future(node.rooms.active.load(ROOM))
        await virtual_loop().idle()
        node.gates.let(0, Fate.FAILED)
        with pytest.raises(ChatError) as refused:
            await asked
        assert refused.value.code is Code.UNAVAILABLE
        node.gates.open_all()
        assert (await node.rooms.active.load(ROOM)).state.exists


# Submitting before a room is there


@played
async def test_what_is_sent_before_the_room_is_loaded_keeps_its_order() -> None:
    async with one_node() as node:
        node.gates.open_to = False
        origin = object()
        answers = [node.rooms.active.submit(ROOM, say(ALICE, f"k{number}"), origin) for number in range(3)]
        await virtual_loop().idle()
        loading = asyncio.ensure_future(node.rooms.active.load(ROOM))
        answers += [node.rooms.active.submit(ROOM, say(ALICE, f"k{number}"), origin) for number in range(3, 5)]
        assert node.rooms.active.waiting() == 5
        node.gates.open_all()
        await loading
        answers.append(node.rooms.active.submit(ROOM, say(ALICE, "k5"), origin))
        assert [(await answer).seq for answer in answers] == [7, 8, 9, 10, 11, 12]
        assert node.rooms.active.waiting() == 0


@played
async def test_what_waits_for_a_room_that_cannot_be_loaded_is_refused_and_may_be_sent_again() -> None:
    async with one_node() as node:
        node.gates.open_to = False
        answers = [node.rooms.active.submit(ROOM, say(ALICE, f"k{number}"), object()) for number in range(2)]
        await virtual_loop().idle()
        node.gates.let(0, Fate.FAILED)
        await virtual_loop().idle()
        codes = [answer.exception().code for answer in answers]  # type: ignore[union-attr]
        assert codes == [Code.UNAVAILABLE, Code.UNAVAILABLE]
        node.gates.open_all()
        assert (await node.rooms.active.submit(ROOM, say(ALICE, "k0"), object())).seq == 7


@played
async def test_a_defect_in_loading_leaves_nobody_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: only a store that was away was told on; anything else left the senders waiting for ever."""

    async def broken(_: object, __: str) -> None:
        raise ZeroDivisionError

    async with one_node() as node:
        monkeypatch.setattr(MemoryDirectory, "snapshot", broken)
        answer = node.rooms.active.submit(ROOM, say(ALICE, "k"), object())
        await virtual_loop().idle()
        assert answer.exception().code is Code.INTERNAL  # type: ignore[union-attr]


@played
async def test_finishing_waits_for_what_is_not_even_loaded() -> None:
    async with one_node() as node:
        node.gates.open_to = False
        answers = [node.rooms.active.submit(ROOM, say(ALICE, "k"), object())]
        finishing = asyncio.ensure_future(node.rooms.finish())
        await virtual_loop().idle()
        assert not finishing.done()
        node.gates.open_all()
        await finishing
        assert answers[0].done()
        assert isinstance(answers[0].result(), Receipt)


# Letting go


@played
async def test_the_room_used_longest_ago_is_let_go() -> None:
    async with one_node() as node:
        node.rooms.active._limit = 2
        await made(node, 1, 2)
        node.rooms.active.get(room(1))
        await made(node, 3)
        assert [node.rooms.active.get(room(number)) is not None for number in (1, 2, 3)] == [True, False, True]


@played
async def test_rooms_that_are_open_or_written_to_stay() -> None:
    async with one_node() as node:
        node.rooms.active._limit = 1
        await node.open(node.reader(BOB))
        await made(node, 1)
        node.gates.open_to = False
        writing = node.rooms.submit(ALICE, room(1), Kind.MESSAGE, {"text": "x"})
        await virtual_loop().idle()
        assert waiting(node) == ["A append"]
        loading = asyncio.ensure_future(node.rooms.active.load(OTHER_ROOM))
        await virtual_loop().idle()
        while not loading.done():
            node.gates.let(-1, Fate.DONE)
            await virtual_loop().idle()
        assert node.rooms.active.get(ROOM) is not None
        assert node.rooms.active.get(room(1)) is not None
        node.gates.open_all()
        await writing


@played
async def test_a_room_that_was_let_go_is_read_again_as_it_is() -> None:
    async with one_node() as node:
        first = await node.rooms.active.load(ROOM)
        await node.say(ALICE)
        node.rooms.active.forget(ROOM)
        second = await node.rooms.active.load(ROOM)
        assert second is not first
        assert second.state == first.state


# What another process wrote


@played
async def test_rooms_in_memory_are_brought_up_to_date_where_another_process_wrote() -> None:
    async with one_node() as node:
        writer = await node.rooms.active.load(ROOM)
        node.elsewhere(joined(7, DAVE))
        await node.rooms.active.refresh()
        assert writer.state == fold_all(node.log.entries(ROOM))


@played
async def test_a_start_projects_what_a_crash_left_behind() -> None:
    """Whole pages of rooms, some projected, some behind, one never projected at all."""
    log, directory = MemoryLog(), MemoryDirectory()
    for number in range(6):
        log.insert(room(number), [created(room(number)), joined(2, BOB, room=room(number))])
        if number:
            upto = log.entries(room(number))[: 1 + number % 2]
            directory.write(fold_all(upto), [ALICE, BOB][: len(upto)])
    node = OneNode(log, directory)
    assert await node.rooms.active.sweep(page=2) == 3
    assert len(await directory.rooms_of(BOB)) == 6
    assert await node.rooms.active.sweep(page=2) == 0
    assert active_module.ACTIVE_ROOMS > 6


@played
async def test_a_room_that_others_change_is_known_here_as_soon_as_its_members_are_told() -> None:
    """Regression: a node told its people of a change on another node from what it had in memory of the room."""
    async with one_node() as node:
        await node.rooms.active.load(ROOM)
        await node.rooms.connect(reader := node.reader(DAVE))
        node.elsewhere(joined(7, DAVE))
        other = OneNode(node.log, node.directory, node.bus)
        await other.rooms.publisher.stored(fold_all(node.log.entries(ROOM)), node.log.entries(ROOM)[6:])
        await virtual_loop().idle()
        [told] = reader.events("rooms")
        assert (told["room"], told["member"], told["view"]["role"]) == (ROOM, True, "member")


@played
async def test_a_room_in_memory_forgets_who_was_removed_elsewhere_though_nobody_here_is_to_be_told() -> None:
    """Regression: Bob, who reads over REST here, was removed on another node. Nobody concerned was connected to
    this one, so it did not look, and went on letting him read from what it had in memory.
    """
    async with one_node() as node:
        await node.rooms.active.load(ROOM)
        node.elsewhere(entry(7, Kind.LEAVE, {"user": BOB}))
        other = OneNode(node.log, node.directory, node.bus)
        await other.rooms.publisher.stored(fold_all(node.log.entries(ROOM)), node.log.entries(ROOM)[6:])
        await virtual_loop().idle()
        with pytest.raises(ChatError) as refused:
            await node.rooms.active.load_readable(ROOM, BOB)
        assert refused.value.code is Code.NOT_FOUND


@played
async def test_however_much_others_write_catching_up_ends_and_knows_every_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Regression: a node folded entry after entry of what others had written since it last looked. One that is
    far away from the store never reached the end of a room that was written to at full speed.
    """
    monkeypatch.setattr(picture_module, "CATCH_UP_PAGE", 10)
    async with one_node() as node:
        writer = await node.rooms.active.load(ROOM)
        node.elsewhere(
            *(entry(seq) for seq in range(7, 40)), joined(40, DAVE), entry(41, Kind.LEAVE, {"user": BOB})
        )
        node.elsewhere(*(entry(seq) for seq in range(42, 100)))
        node.gates.open_to = False
        refreshing = asyncio.ensure_future(writer.refresh())
        await virtual_loop().idle()
        calls, end = 0, 100
        while waiting(node):
            calls += len(waiting(node))
            node.gates.let(0, Fate.DONE)
            node.elsewhere(*(entry(seq) for seq in range(end, end + 15)))
            end += 15
            await virtual_loop().idle()
        await refreshing
        assert calls < 8
        assert writer.state == fold_all(node.log.entries(ROOM)[: writer.state.head.seq])
        assert writer.state.head.seq >= 99


@played
async def test_what_waits_in_a_room_whose_log_was_replaced_is_answered() -> None:
    """Regression: a restore under a running node dropped the room's writer with everything in its queue, and
    whoever waited for an answer waited for ever.
    """
    async with one_node() as node:
        node.gates.open_to = False
        node.rooms.active.get(ROOM)
        loading = asyncio.ensure_future(node.rooms.active.load(ROOM))
        while not loading.done():
            node.gates.let(0, Fate.DONE)
            await virtual_loop().idle()
        answers = [node.rooms.active.submit(ROOM, say(ALICE, "inserted"), Alone())]
        await virtual_loop().idle()
        assert waiting(node) == ["A append"]
        answers.append(node.rooms.active.submit(ROOM, say(ALICE, "queued"), Alone()))
        node.rooms.active.forget(ROOM)
        await virtual_loop().idle()
        codes = [answer.exception().code for answer in answers]  # type: ignore[union-attr]
        assert codes == [Code.UNAVAILABLE, Code.ABORTED], "the first one may be stored"
        finishing = asyncio.ensure_future(node.rooms.finish())
        await virtual_loop().idle()
        assert not finishing.done(), "its insert is on its way still"
        node.gates.open_all()
        await finishing
        assert (await node.rooms.active.submit(ROOM, say(ALICE, "inserted"), Alone())).duplicate


def test_the_history_of_these_tests_is_a_log_that_may_be() -> None:
    assert fold_all(HISTORY).members.keys() == {ALICE, BOB, CAROL}
