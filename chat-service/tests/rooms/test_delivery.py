"""Delivery on one node: healing what the bus lost, slow readers, and rooms whose log is another one."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from chat_service.bus import Hint, RoomFrame
from chat_service.bus.local import Faults, LocalBus
from chat_service.model.entries import Kind
from chat_service.rooms.delivery import DeliveryLimits
from chat_service.rooms.hub import Phase
from chat_service.rooms.reading import item

from .clients import Event, PlainDialect, PlainReader
from .entries import ALICE, BOB, CAROL, ROOM, created, entry, joined
from .gates import Fate
from .hub_world import NodeBus
from .one_node import one_node
from .virtual_time import played, virtual_loop

SMALL = DeliveryLimits(ring_entries=4, page_entries=8, resume_max_entries=30)


def faults(**chances: float) -> Faults:
    return Faults(Random(7), **chances)


@played
async def test_what_the_bus_lost_is_healed_by_the_tail_check() -> None:
    async with one_node(bus=LocalBus(faults(lose=1.0))) as node:
        await node.open(reader := node.reader(BOB))
        await node.say(ALICE, times=3)
        assert reader.seqs() == []
        await node.rooms.delivery.check_tails()
        await asyncio.sleep(1)
        assert reader.seqs() == [7, 8, 9]
        await node.rooms.delivery.check_tails()
        await asyncio.sleep(1)
        assert reader.seqs() == [7, 8, 9]


@played
@pytest.mark.parametrize("chances", [{"lose": 0.5}, {"repeat": 0.5}, {"reorder": 0.8}])
async def test_a_bus_that_does_what_a_bus_may_do_changes_nothing(chances: dict[str, float]) -> None:
    async with one_node(bus=LocalBus(faults(**chances))) as node:
        await node.open(reader := node.reader(BOB))
        await asyncio.gather(*(node.say(ALICE) for _ in range(50)))
        await node.rooms.delivery.check_tails()
        await asyncio.sleep(1)
        assert reader.seqs() == list(range(7, 57))


@played
async def test_a_repeated_send_publishes_again_what_was_lost() -> None:
    async with one_node(bus=LocalBus(losing := faults(lose=1.0))) as node:
        await node.open(reader := node.reader(BOB))
        await node.rooms.act(ALICE, ROOM, Kind.MESSAGE, {"text": "hello"}, key="k")
        assert reader.seqs() == []
        losing.lose = 0.0
        assert (await node.rooms.act(ALICE, ROOM, Kind.MESSAGE, {"text": "hello"}, key="k")).duplicate
        await virtual_loop().idle()
        assert reader.seqs() == [7]


@played
async def test_nobody_who_has_closed_a_room_hears_more_of_it() -> None:
    async with one_node() as node:
        await node.open(reader := node.reader(BOB))
        node.rooms.close(reader, ROOM)
        node.rooms.close(reader, ROOM)
        await node.say(ALICE)
        assert reader.seqs() == []
        assert not node.rooms.delivery.is_open(ROOM)
        assert node.bus._rooms == set()


@played
async def test_the_hub_goes_with_its_last_reader() -> None:
    async with one_node() as node:
        await node.open(one := node.reader(BOB))
        await node.open(other := node.reader(ALICE))
        node.rooms.close(one, ROOM)
        assert node.rooms.delivery.is_open(ROOM)
        node.rooms.disconnect(other, [ROOM])
        await virtual_loop().idle()
        assert not node.rooms.delivery.is_open(ROOM)
        assert node.bus._rooms == set()


# Another log


@played
async def test_frames_of_another_epoch_make_every_reader_open_the_room_anew() -> None:
    async with one_node() as node:
        await node.open(reader := node.reader(BOB))
        node.rooms.delivery.receive_frame(RoomFrame(ROOM, "another.epoch", (item(entry(7)),)))
        assert reader.events("notice") == [{"kind": "resync", "room": ROOM}]
        assert reader.seqs() == []
        assert (await node.open(reader)).last_seq == 6


@played
async def test_a_store_restored_in_place_is_noticed_by_its_last_entry() -> None:
    async with one_node() as node:
        await node.open(reader := node.reader(BOB))
        await node.say(ALICE, times=2)
        node.log.rooms[ROOM][6:] = [entry(7, id="other7"), entry(8, id="other8"), entry(9, id="other9")]
        await node.rooms.delivery.check_tails()
        assert reader.events("notice") == [{"kind": "resync", "room": ROOM}]
        opened = await node.open(reader, 8, after_id="id8")
        assert opened.reset is not None
        assert opened.last_id == "other9"


@played
async def test_a_store_that_lost_its_end_is_noticed() -> None:
    async with one_node() as node:
        await node.open(reader := node.reader(BOB))
        await node.say(ALICE, times=2)
        del node.log.rooms[ROOM][7:]
        await node.rooms.delivery.check_tails()
        assert reader.events("notice") == [{"kind": "resync", "room": ROOM}]


@played
async def test_entries_that_come_while_tails_are_checked_are_no_other_log() -> None:
    async with one_node() as node:
        await node.open(reader := node.reader(BOB))
        node.gates.open_to = False
        checking = asyncio.ensure_future(node.rooms.delivery.check_tails())
        await virtual_loop().idle()
        node.gates.let(0, Fate.SLOW)
        await virtual_loop().idle()
        node.gates.open_to = True
        await node.say(ALICE)
        node.gates.open_all()
        await checking
        await virtual_loop().idle()
        assert (reader.seqs(), reader.events("notice")) == ([7], [])


# Slow readers


@played
async def test_a_slow_reader_is_caught_up_from_the_log_as_it_drains() -> None:
    async with one_node(SMALL) as node:
        await node.open(reader := node.reader(BOB))
        reader.congest()
        await node.say(ALICE, times=20)
        assert reader.seqs() == []
        reader.drain()
        await asyncio.sleep(1)
        assert reader.seqs() == list(range(7, 27))
        await node.say(ALICE)
        assert reader.seqs()[-1] == 27


@played
async def test_a_slow_reader_is_not_given_twice_what_the_bus_still_owes() -> None:
    """Regression: it was caught up from the log beyond what its hub had delivered (the publish was late), went
    live there, and was given the same entries again when they arrived.
    """
    bus = LocalBus(losing := faults())
    async with one_node(SMALL, bus) as node:
        await node.open(reader := node.reader(BOB))
        reader.congest()
        await node.say(ALICE, times=6)
        losing.lose = 1.0
        await node.say(ALICE, times=4)
        losing.lose = 0.0
        reader.drain()
        await asyncio.sleep(1)
        assert reader.seqs() == list(range(7, 17)), "four entries beyond what the bus brought"
        await node.say(ALICE)
        await asyncio.sleep(1)
        assert reader.seqs() == list(range(7, 18))


@played
async def test_a_reader_that_fell_too_far_behind_is_told_to_start_over() -> None:
    async with one_node(SMALL) as node:
        await node.open(reader := node.reader(BOB))
        reader.congest()
        await node.say(ALICE, times=31)
        reader.drain()
        await asyncio.sleep(1)
        assert reader.seqs() == []
        assert reader.events("notice") == [{"kind": "resync", "room": ROOM}]
        assert not node.rooms.delivery.has_open(reader, ROOM)


@played
async def test_whoever_cannot_be_told_to_start_over_goes_on_with_what_comes() -> None:
    async with one_node(SMALL) as node:
        await node.rooms.listen(reader := PlainReader("silent", BOB, PlainDialect(has_events=False)), ROOM)
        reader.congest()
        await node.say(ALICE, times=31)
        reader.drain()
        await asyncio.sleep(1)
        await node.say(ALICE)
        assert reader.seqs() == [38]


@played
async def test_whoever_cannot_be_told_of_another_log_is_made_to_come_back() -> None:
    async with one_node() as node:
        await node.rooms.listen(reader := PlainReader("silent", BOB, PlainDialect(has_events=False)), ROOM)
        node.rooms.delivery.receive_frame(RoomFrame(ROOM, "another.epoch", (item(entry(7)),)))
        assert reader.restarted == 1
        assert not node.rooms.delivery.has_open(reader, ROOM)


@played
async def test_a_slow_reader_waits_while_the_log_cannot_be_read() -> None:
    async with one_node(SMALL) as node:
        await node.open(reader := node.reader(BOB))
        reader.congest()
        await node.say(ALICE, times=10)
        node.gates.open_to = False
        reader.drain()
        await virtual_loop().idle()
        for _ in ("the log's end", "a page"):
            node.gates.let(0, Fate.FAILED)
            await virtual_loop().idle()
        assert reader.seqs() == []
        node.gates.open_to = True
        await asyncio.sleep(2)
        assert reader.seqs() == list(range(7, 17))


@played
async def test_a_slow_reader_that_goes_is_waited_for_no_longer() -> None:
    async with one_node(SMALL) as node:
        await node.open(reader := node.reader(BOB))
        reader.congest()
        await node.say(ALICE)
        hub = node.rooms.delivery.hub(ROOM)
        assert hub is not None
        assert hub.subscriptions[reader.id].phase is Phase.BEHIND
        reader.leave()
        node.rooms.disconnect(reader, [ROOM])
        await virtual_loop().idle()
        assert not node.rooms.delivery.is_open(ROOM)


@played
async def test_words_deleted_while_a_reader_was_slow_are_not_given_to_it() -> None:
    async with one_node(SMALL) as node:
        await node.open(reader := node.reader(BOB))
        reader.congest()
        await node.say(ALICE, "secret")
        await node.act(ALICE, Kind.DELETE, 7)
        reader.drain()
        await asyncio.sleep(1)
        assert [one.get("redacted", False) for one in reader.entries()] == [True, False]


# Removal


@played
async def test_whoever_is_removed_hears_so_and_nothing_after_it() -> None:
    async with one_node() as node:
        await node.open(gone := node.reader(BOB))
        await node.open(stays := node.reader(CAROL))
        await node.act(ALICE, Kind.LEAVE, user=BOB)
        await node.say(ALICE)
        assert gone.seqs() == [7]
        assert gone.events("notice") == [{"kind": "removed", "room": ROOM}]
        assert stays.seqs() == [7, 8]


@played
async def test_whoever_is_removed_on_another_node_hears_nothing_after_it_here() -> None:
    """Regression: the frame brought Bob's removal and what was said after it. While this node read its log to
    learn who may still read, the rest of the frame had long been written to him.
    """
    async with one_node(bus=NodeBus(ends := [])) as node:
        await node.open(gone := node.reader(BOB))
        await node.open(stays := node.reader(CAROL))
        added = [entry(7, Kind.LEAVE, {"user": BOB}), entry(8), entry(9)]
        node.elsewhere(*added)
        node.gates.open_to = False
        NodeBus(ends).publish(RoomFrame(ROOM, node.epoch, tuple(item(one) for one in added)))
        await asyncio.sleep(0.5)
        assert (gone.seqs(), stays.seqs()) == ([7], [7])
        node.gates.let(0, Fate.FAILED)
        await asyncio.sleep(1.5)
        assert (gone.seqs(), stays.seqs()) == ([7], [7])
        node.gates.open_all()
        await asyncio.sleep(0.5)
        assert (gone.seqs(), stays.seqs()) == ([7], [7, 8, 9])
        assert gone.events("notice") == [{"kind": "removed", "room": ROOM}]


@played
async def test_a_room_that_turns_private_is_closed_to_its_visitors() -> None:
    async with one_node() as node:
        await node.act(ALICE, Kind.SETTINGS, visibility="public")
        await node.open(visitor := node.reader("udave" + "a" * 11))
        await node.act(ALICE, Kind.SETTINGS, visibility="private")
        await node.say(ALICE)
        assert visitor.seqs() == [8]
        assert visitor.events("notice") == [{"kind": "removed", "room": ROOM}]


# Hints


@played
async def test_typing_is_told_to_the_others_who_have_the_room_open() -> None:
    async with one_node() as node:
        await node.open(one := node.reader(BOB))
        await node.open(other := node.reader(CAROL))
        node.rooms.typing(one, ROOM, on=True)
        await virtual_loop().idle()
        assert one.events("typing") == []
        assert other.events("typing") == [{"room": ROOM, "user": BOB, "on": True}]


@played
async def test_a_hint_for_a_room_that_is_not_open_goes_nowhere() -> None:
    async with one_node() as node:
        node.rooms.delivery.receive_hint(Hint(ROOM, "typing", b"{}"))
        node.rooms.delivery.receive_frame(RoomFrame(ROOM, node.epoch, (item(entry(7)),)))


@played
async def test_stopping_ends_everything_at_once() -> None:
    async with one_node(SMALL) as node:
        await node.open(reader := node.reader(BOB))
        reader.congest()
        await node.say(ALICE)
        node.gates.open_to = False
        opening = asyncio.ensure_future(node.open(node.reader(CAROL), 0))
        await virtual_loop().idle()
        await node.rooms.delivery.stop()
        assert not node.rooms.delivery.is_open(ROOM)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        assert not any(isinstance(frame, Event) for frame in reader.written)


def test_what_changes_access_or_redacts_is_marked_on_its_way() -> None:
    marks = {kind: (item(entry(2, kind)).changes_access, item(entry(2, kind)).redacts) for kind in Kind}
    access = {Kind.CREATE, Kind.JOIN, Kind.LEAVE, Kind.ROLE, Kind.SETTINGS}
    redacts = {Kind.DELETE, Kind.RETAIN, Kind.ERASE}
    assert marks == {kind: (kind in access, kind in redacts) for kind in Kind}
    assert item(created()).seq == 1
    assert item(joined(2, BOB)).id == "id2"
