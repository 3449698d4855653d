"""Opening a room: pages, resets, what may not be opened, and openings that cross each other."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from chat_service.model.entries import Kind
from chat_service.model.errors import ChatError, Code
from chat_service.rooms import delivery as delivery_module
from chat_service.rooms import reading
from chat_service.rooms.delivery import DeliveryLimits
from chat_service.rooms.hub import Phase
from chat_service.rooms.opening import Held, Opened
from chat_service.rooms.reading import Span

from .clients import PlainReader
from .entries import ALICE, BOB, CAROL, DAVE, ROOM, entry, joined
from .gates import Fate
from .one_node import OneNode, one_node
from .virtual_time import played, virtual_loop

SMALL = DeliveryLimits(ring_entries=4, page_entries=8, resume_max_entries=30)


def seqs(opened: Opened) -> list[int]:
    return [msgspec.json.decode(raw)["seq"] for raw in opened.entries]


def decoded(opened: Opened) -> list[dict[str, Any]]:
    return [msgspec.json.decode(raw) for raw in opened.entries]


async def fails(asked: Any) -> Code:
    with pytest.raises(ChatError) as refused:
        await asked
    return refused.value.code


# What is answered


@played
async def test_a_client_that_holds_nothing_gets_the_newest_messages_and_is_live() -> None:
    async with one_node() as node:
        reader = node.reader(BOB)
        opened = await node.open(reader)
        assert opened.reset is not None
        assert [message.seq for message in opened.reset.messages] == [4, 5, 6]
        assert (opened.reset.as_of, opened.last_seq, opened.last_id) == (6, 6, "id6")
        assert (opened.entries, opened.more, opened.epoch) == ([], False, node.epoch)
        await node.say(ALICE)
        assert reader.seqs() == [7]


@played
async def test_a_client_that_comes_back_gets_what_it_missed_and_then_what_comes() -> None:
    async with one_node() as node:
        await node.say(ALICE, times=4)
        reader = node.reader(BOB)
        opened = await node.open(reader, 6, after_id="id6", epoch=node.epoch)
        assert (opened.reset, seqs(opened), opened.more) == (None, [7, 8, 9, 10], False)
        await node.say(CAROL)
        assert reader.seqs() == [11]


@played
async def test_a_client_that_holds_everything_gets_nothing_and_is_live() -> None:
    async with one_node() as node:
        opened = await node.open(node.reader(BOB), 6, after_id="id6", epoch=node.epoch)
        assert (opened.reset, opened.entries, opened.more) == (None, [], False)
        assert (opened.last_seq, opened.last_id) == (6, "id6")


@played
async def test_a_long_resume_comes_in_pages_and_nothing_live_comes_between() -> None:
    async with one_node(SMALL) as node:
        await node.say(ALICE, times=20)
        reader = node.reader(BOB)
        opened = await node.open(reader, 6, after_id="id6")
        pages = [seqs(opened)]
        while opened.more:
            await node.say(CAROL)
            assert reader.written == []
            opened = await node.open(reader, opened.last_seq, after_id=opened.last_id, epoch=opened.epoch)
            pages.append(seqs(opened))
        assert len(pages) > 2
        assert [seq for page in pages for seq in page] == list(range(7, opened.last_seq + 1))
        await node.say(CAROL)
        assert reader.seqs() == [opened.last_seq + 1]


@played
async def test_a_page_of_long_messages_is_cut_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE_BYTES", 1000)
    async with one_node(SMALL) as node:
        await node.say(ALICE, "x" * 400, times=10)
        opened = await node.open(node.reader(BOB), 6)
        assert len(opened.entries) < 8
        assert opened.more
        assert opened.last_seq == seqs(opened)[-1]


@played
async def test_one_message_larger_than_a_page_is_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE_BYTES", 10)
    async with one_node(SMALL) as node:
        await node.say(ALICE, "x" * 400, times=10)
        opened = await node.open(node.reader(BOB), 6)
        assert seqs(opened) == [7]


@played
@pytest.mark.parametrize(
    "held",
    [
        Held(6, "another id", None),
        Held(6, "id6", "another epoch"),
        Held(7, None, None),
        Held(10_000, "id6", None),
        Held(None, None, "world.id1"),
    ],
    ids=["an id that is not there", "another epoch", "beyond the end", "far beyond the end", "nothing held"],
)
async def test_what_this_log_does_not_hold_is_a_reset(held: Held) -> None:
    async with one_node() as node:
        opened, _ = await node.rooms.open(node.reader(BOB), ROOM, held)
        assert opened.reset is not None
        assert opened.last_seq == 6


@played
async def test_a_client_that_was_away_too_long_is_reset() -> None:
    async with one_node(SMALL) as node:
        await node.say(ALICE, times=30)
        assert (await node.open(node.reader(BOB), 6)).reset is None
        await node.say(ALICE)
        opened = await node.open(node.reader(BOB), 6)
        assert opened.reset is not None
        assert (opened.last_seq, opened.reset.more) == (37, True)


@played
async def test_whoever_joined_late_reads_from_there_where_the_room_says_so() -> None:
    async with one_node() as node:
        await node.act(ALICE, Kind.SETTINGS, history="joined")
        await node.act(ALICE, Kind.JOIN, user=DAVE, role="member")
        await node.say(BOB)
        fresh = await node.open(node.reader(DAVE))
        assert fresh.reset is not None
        assert [message.seq for message in fresh.reset.messages] == [9]
        raw = await node.open(node.reader(DAVE), 0)
        assert seqs(raw) == [8, 9]
        assert seqs(await node.open(node.reader(ALICE), 0)) == list(range(1, 10))


@played
async def test_whoever_came_back_to_a_room_that_hides_what_they_missed_begins_anew() -> None:
    """Resumed as if nothing lay between, they would show what they hold and what came later as one talk."""
    async with one_node() as node:
        await node.act(ALICE, Kind.SETTINGS, history="joined")
        await node.act(ALICE, Kind.JOIN, user=DAVE, role="member")
        await node.say(BOB)
        held = await node.open(node.reader(DAVE), 0)
        await node.act(DAVE, Kind.LEAVE, user=DAVE)
        await node.say(BOB, times=2)
        await node.act(ALICE, Kind.JOIN, user=DAVE, role="member")
        again = await node.open(node.reader(DAVE), held.last_seq)
        assert again.reset is not None
        assert again.reset.messages == []


@played
async def test_a_page_shows_no_word_that_was_redacted_wherever_it_comes_from() -> None:
    async with one_node(SMALL) as node:
        await node.open(node.reader(ALICE))  # keeps the hub, and its ring, alive
        await node.say(BOB, "secret", times=2)
        await node.act(BOB, Kind.EDIT, 7, text="secret too")
        await node.act(ALICE, Kind.DELETE, 7)
        shown = decoded(await node.open(node.reader(CAROL), 6))
        assert [one.get("redacted", False) for one in shown] == [True, False, True, False]
        assert b"secret too" not in msgspec.json.encode(shown)
        await node.rooms.act("s" + "a" * 15, ROOM, Kind.ERASE, {"user": BOB, "upto": 8})
        assert b"secret" not in msgspec.json.encode(decoded(await node.open(node.reader(CAROL), 6)))


# Who may


@played
async def test_a_room_that_one_may_not_read_is_not_there() -> None:
    async with one_node() as node:
        assert await fails(node.open(node.reader(DAVE))) is Code.NOT_FOUND
        assert await fails(node.rooms.open(node.reader(BOB), "c" + "z" * 21, Held())) is Code.NOT_FOUND
        assert node.rooms.delivery.hub(ROOM) is None


@played
async def test_whoever_was_let_in_on_another_node_may_read_here() -> None:
    """Regression: this node held the room in memory as it was before, and went by that for as long as it did."""
    async with one_node() as node:
        assert await fails(node.open(node.reader(DAVE))) is Code.NOT_FOUND
        node.elsewhere(joined(7, DAVE))
        opened = await node.open(node.reader(DAVE))
        assert opened.last_seq == 7
        assert (await node.rooms.browsing.history(DAVE, ROOM, Span(), 10)).as_of == 7


@played
async def test_whoever_was_removed_on_another_node_may_not_open_here() -> None:
    """Regression: nothing here had told this node's writer, so Bob could open the room and read on for ever."""
    async with one_node() as node:
        await node.open(node.reader(ALICE))
        node.elsewhere(entry(7, Kind.LEAVE, {"user": BOB}), entry(8, body={"text": "now that he is gone"}))
        await node.rooms.delivery.check_tails()
        await asyncio.sleep(1)
        reader = node.reader(BOB)
        assert await fails(node.open(reader)) is Code.NOT_FOUND
        assert reader.written == []


@played
async def test_whoever_was_removed_before_the_room_was_opened_here_is_refused() -> None:
    async with one_node() as node:
        await node.rooms.active.load(ROOM)
        node.elsewhere(entry(7, Kind.LEAVE, {"user": BOB}))
        assert await fails(node.open(node.reader(BOB))) is Code.NOT_FOUND
        assert node.rooms.delivery.hub(ROOM) is None


@played
async def test_removed_between_two_pages_one_gets_no_further_page() -> None:
    async with one_node(SMALL) as node:
        await node.say(ALICE, times=20)
        reader = node.reader(BOB)
        opened = await node.open(reader, 6)
        assert opened.more
        await node.act(ALICE, Kind.LEAVE, user=BOB)
        assert reader.events("notice") == [{"kind": "removed", "room": ROOM}]
        assert await fails(node.open(reader, opened.last_seq)) is Code.NOT_FOUND


@played
async def test_a_log_that_is_shorter_than_what_was_delivered_is_no_reason_to_spin() -> None:
    """Regression: whoever opened a room whose log had lost its end waited for entries that never came, asking
    the store again and again without a pause.
    """
    async with one_node() as node:
        await node.open(node.reader(ALICE))
        await node.act(ALICE, Kind.JOIN, user=DAVE, role="member")
        del node.log.rooms[ROOM][6:]
        node.directory.rooms.clear()
        node.rooms.active.forget(ROOM)
        assert await fails(node.open(node.reader(BOB), 6)) is Code.UNAVAILABLE
        await node.rooms.delivery.check_tails()
        assert (await node.open(node.reader(BOB), 6)).last_seq == 6


# Openings that cross


async def closed_at(node: OneNode, name: str) -> None:
    """Let calls through until one of that name waits."""
    await virtual_loop().idle()
    while node.gates.waiting and node.gates.waiting[0].name != f"A {name}":
        node.gates.let(0, Fate.DONE)
        await virtual_loop().idle()
    assert node.gates.waiting, f"nothing waits to {name}"


def opening(node: OneNode, reader: PlainReader, after: int | None = None) -> asyncio.Task[Opened]:
    return asyncio.get_running_loop().create_task(node.open(reader, after))


@played
async def test_who_opens_while_the_hub_starts_waits_for_it() -> None:
    """Regression: the second of two who opened a room at once was given the hub before it had read the log's
    end. It went live at once, was never given what it lacked, and the first entry it saw left a hole.
    """
    async with one_node() as node:
        node.gates.open_to = False
        first = opening(node, one := node.reader(ALICE), 0)
        await closed_at(node, "head")
        second = opening(node, other := node.reader(BOB), 0)
        await virtual_loop().idle()
        assert not second.done()
        node.gates.open_all()
        assert seqs(await first) == seqs(await second) == [1, 2, 3, 4, 5, 6]
        await node.say(CAROL)
        assert one.seqs() == other.seqs() == [7]


@played
async def test_a_hub_that_could_not_start_is_started_by_the_next() -> None:
    async with one_node() as node:
        node.gates.open_to = False
        first = opening(node, node.reader(ALICE))
        second = opening(node, node.reader(BOB))
        await closed_at(node, "head")
        node.gates.let(0, Fate.FAILED)
        assert await fails(first) is Code.UNAVAILABLE
        assert await fails(second) is Code.UNAVAILABLE
        assert not node.rooms.delivery.is_open(ROOM)
        node.gates.open_all()
        assert (await node.open(node.reader(ALICE))).last_seq == 6


@played
async def test_opening_again_replaces_the_earlier_opening() -> None:
    async with one_node() as node:
        reader = node.reader(BOB)
        await node.open(reader)
        node.gates.open_to = False
        first = opening(node, reader, 6)
        await closed_at(node, "head")
        second = opening(node, reader, 6)
        await virtual_loop().idle()
        node.gates.open_all()
        assert await fails(first) is Code.ABORTED
        assert (await second).more is False
        await node.say(ALICE)
        assert reader.seqs() == [7], "once, not once for each opening"
        hub = node.rooms.delivery.hub(ROOM)
        assert hub is not None
        assert [one.phase for one in hub.subscriptions.values()] == [Phase.LIVE]


@played
async def test_closing_while_opening_leaves_no_subscription_behind() -> None:
    async with one_node() as node:
        reader = node.reader(BOB)
        node.gates.open_to = False
        asked = opening(node, reader)
        while not node.rooms.delivery.has_open(reader, ROOM):
            node.gates.let(0, Fate.DONE)
            await virtual_loop().idle()
        node.rooms.close(reader, ROOM)
        node.gates.open_all()
        assert await fails(asked) is Code.ABORTED
        assert not node.rooms.delivery.is_open(ROOM)
        assert node.rooms.presence.present(ROOM) == []


@played
async def test_who_gives_up_while_the_hub_starts_leaves_no_hub_behind() -> None:
    async with one_node() as node:
        node.gates.open_to = False
        asked = opening(node, node.reader(BOB))
        await closed_at(node, "head")
        asked.cancel()
        node.gates.open_all()
        await virtual_loop().idle()
        node.rooms.delivery.drop_stale(0.0)
        assert not node.rooms.delivery.is_open(ROOM)


@played
async def test_a_client_that_asks_for_no_further_page_is_closed_in_time() -> None:
    async with one_node(SMALL) as node:
        await node.say(ALICE, times=20)
        reader = node.reader(BOB)
        assert (await node.open(reader, 6)).more
        hub = node.rooms.delivery.hub(ROOM)
        assert hub is not None
        opened_at = hub.subscriptions[reader.id].opened_at
        node.rooms.delivery.drop_stale(opened_at + delivery_module.PAUSED_MOST_S - 1)
        assert node.rooms.delivery.is_open(ROOM)
        node.rooms.delivery.drop_stale(opened_at + delivery_module.PAUSED_MOST_S + 1)
        assert not node.rooms.delivery.is_open(ROOM)


@played
async def test_a_store_that_fails_while_opening_leaves_nothing_open() -> None:
    async with one_node() as node:
        await node.rooms.active.load(ROOM)
        node.gates.open_to = False
        asked = opening(node, node.reader(BOB))
        await closed_at(node, "messages_before")
        node.gates.let(0, Fate.FAILED)
        assert await fails(asked) is Code.UNAVAILABLE
        assert not node.rooms.delivery.is_open(ROOM)


@played
async def test_a_protocol_without_history_hears_everything_from_now_on() -> None:
    async with one_node() as node:
        reader = node.reader(BOB)
        await node.say(ALICE)
        await node.rooms.listen(reader, ROOM)
        await node.say(ALICE)
        assert reader.seqs() == [8]
        assert await fails(node.rooms.listen(node.reader(DAVE), ROOM)) is Code.NOT_FOUND
