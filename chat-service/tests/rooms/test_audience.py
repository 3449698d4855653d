"""What people hear of rooms that they have not open: unread reports, room lists, mentions; and who is present."""

from __future__ import annotations

import asyncio

import pytest

from chat_service.bus import Appended, RoomReport
from chat_service.model.entries import Kind
from chat_service.rooms.opening import Held
from chat_service.rooms.publishing import MENTIONS_MOST

from .clients import PlainReader
from .entries import ALICE, BOB, CAROL, DAVE, ROOM, entry, joined
from .judging import fold_all
from .one_node import OneNode, one_node
from .virtual_time import played, virtual_loop
from .writer_world import HISTORY


async def connected(node: OneNode, user: str) -> PlainReader:
    reader = node.reader(user)
    await node.rooms.connect(reader)
    return reader


# Presence


@played
async def test_those_who_have_a_room_open_hear_who_comes_and_goes() -> None:
    async with one_node() as node:
        await node.open(there := node.reader(ALICE))
        _, online = await node.rooms.open(one := node.reader(BOB), ROOM, Held())
        assert online == [ALICE, BOB]
        await node.open(two := node.reader(BOB))
        await virtual_loop().idle()
        assert there.events("presence") == [{"room": ROOM, "user": BOB, "online": True}]
        assert one.events("presence") == [], "one does not hear of oneself"
        node.rooms.close(one, ROOM)
        await virtual_loop().idle()
        assert len(there.events("presence")) == 1
        node.rooms.disconnect(two, [ROOM])
        await virtual_loop().idle()
        assert there.events("presence")[1:] == [{"room": ROOM, "user": BOB, "online": False}]


# Unread


@played
async def test_members_hear_once_a_second_of_rooms_that_they_have_not_open() -> None:
    async with one_node() as node:
        member, other, stranger = [await connected(node, user) for user in (BOB, CAROL, DAVE)]
        await node.open(other)
        await node.say(ALICE, "one")
        await node.say(ALICE, "two @bob")
        assert member.events("unread") == []
        await asyncio.sleep(1.1)
        assert member.events("unread") == [{"room": ROOM, "last_seq": 8, "messages": 2, "mentions": 1}]
        assert (other.events("unread"), stranger.events("unread")) == ([], [])
        await asyncio.sleep(5)
        assert len(member.events("unread")) == 1
        await node.say(ALICE)
        await asyncio.sleep(1.1)
        assert member.events("unread")[1:] == [{"room": ROOM, "last_seq": 9, "messages": 1, "mentions": 0}]


@played
async def test_only_messages_make_something_unread() -> None:
    async with one_node() as node:
        member = await connected(node, BOB)
        await node.act(ALICE, Kind.TOPIC, topic="t")
        await node.act(ALICE, Kind.REACTION, 4, emoji="x", on=True)
        await asyncio.sleep(2)
        assert member.events("unread") == []


@played
async def test_a_connection_that_is_full_is_told_nothing_that_may_be_lost() -> None:
    async with one_node() as node:
        member, other = await connected(node, BOB), await connected(node, BOB)
        member.congest()
        await node.say(ALICE)
        await asyncio.sleep(1.1)
        assert (member.written, len(other.events("unread"))) == ([], 1)


@played
async def test_reports_of_other_nodes_are_told_too() -> None:
    async with one_node() as node:
        member = await connected(node, BOB)
        node.bus.publish(Appended("B", {ROOM: RoomReport(12, {}, {BOB: 3})}))
        await virtual_loop().idle()
        assert member.events("unread") == [{"room": ROOM, "last_seq": 12, "messages": 0, "mentions": 3}]


# Room lists


@played
async def test_whoever_is_let_in_or_removed_is_told_at_once_and_hears_of_the_room_from_then_on() -> None:
    async with one_node() as node:
        new = await connected(node, DAVE)
        await node.act(ALICE, Kind.JOIN, user=DAVE, role="guest")
        [told] = new.events("rooms")
        assert (told["room"], told["member"], told["view"]["role"]) == (ROOM, True, "guest")
        await node.say(ALICE)
        await asyncio.sleep(1.1)
        assert len(new.events("unread")) == 1
        await node.act(ALICE, Kind.LEAVE, user=DAVE)
        assert new.events("rooms")[1] == {"room": ROOM, "member": False, "view": None}
        await node.say(ALICE)
        await asyncio.sleep(1.1)
        assert len(new.events("unread")) == 1


@played
async def test_a_new_name_is_told_to_every_member_and_a_new_member_only_to_themselves() -> None:
    async with one_node() as node:
        member, stranger = await connected(node, BOB), await connected(node, DAVE)
        await node.act(ALICE, Kind.NAME, name="New")
        assert [told["view"]["name"] for told in member.events("rooms")] == ["New"]
        await node.act(ALICE, Kind.JOIN, user=DAVE, role="member")
        assert (len(member.events("rooms")), len(stranger.events("rooms"))) == (1, 1)


@played
async def test_who_has_disconnected_is_told_nothing() -> None:
    async with one_node() as node:
        one, other = await connected(node, BOB), await connected(node, BOB)
        node.rooms.disconnect(one, ())
        await node.act(ALICE, Kind.NAME, name="New")
        assert (len(one.events("rooms")), len(other.events("rooms"))) == (0, 1)
        node.rooms.disconnect(other, ())
        assert node.rooms.audience.people() == []
        assert node.rooms.audience.members_here(ROOM) == []


@played
async def test_what_another_process_changed_is_told_after_looking_again() -> None:
    async with one_node() as node:
        gone, new = await connected(node, BOB), await connected(node, DAVE)
        node.elsewhere(joined(7, DAVE), entry(8, Kind.LEAVE, {"user": BOB}))
        node.directory.write(fold_all(node.log.entries(ROOM)), [BOB, DAVE])
        await node.rooms.look_again()
        assert [told["member"] for told in gone.events("rooms")] == [False]
        assert [told["member"] for told in new.events("rooms")] == [True]
        await node.rooms.look_again()
        assert len(new.events("rooms")) == 1


# Mentions


@played
@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("@bob look", [BOB]),
        ("hey @Bob, @carol!", [BOB, CAROL]),
        ("@bob @bob", [BOB]),
        ("(@bob)", [BOB]),
        ("bob@carol.example", []),
        ("@@bob", []),
        ("@dave is no member, @nobody is nobody", []),
        ("no one", []),
    ],
)
async def test_a_message_mentions_the_members_whose_name_stands_behind_an_at(
    text: str, mentioned: list[str]
) -> None:
    async with one_node() as node:
        stored = await node.say(ALICE, text)
        body = node.log.entries(ROOM)[stored.seq - 1].body
        assert body.get("mentions", []) == mentioned
        assert node.directory.mentions == {(user, ROOM, stored.seq) for user in mentioned}


@played
async def test_a_message_mentions_so_many_people_and_no_more() -> None:
    async with one_node() as node:
        stored = await node.say(ALICE, "@x1 " * MENTIONS_MOST + "@bob")
        assert "mentions" not in node.log.entries(ROOM)[stored.seq - 1].body


@played
async def test_mentions_wait_in_the_room_list_until_the_room_is_read() -> None:
    async with one_node() as node:
        await node.say(ALICE, "@bob")
        [summary] = await node.rooms.browsing.rooms_of(BOB)
        assert (summary.last_seq, summary.read_seq, summary.mentions) == (7, 0, 1)
        assert await node.rooms.personal.mark_read(BOB, ROOM, 99) == 7
        [summary] = await node.rooms.browsing.rooms_of(BOB)
        assert (summary.read_seq, summary.mentions) == (7, 0)


@played
async def test_a_repeated_send_mentions_nobody_a_second_time() -> None:
    async with one_node() as node:
        for _ in range(2):
            await node.rooms.act(ALICE, ROOM, Kind.MESSAGE, {"text": "@bob"}, key="k")
        [summary] = await node.rooms.browsing.rooms_of(BOB)
        assert summary.mentions == 1


@played
async def test_what_another_node_wrote_can_be_marked_as_read() -> None:
    """Regression: the marker stopped at the last entry this node's writer had heard of."""
    async with one_node() as node:
        await node.rooms.active.load(ROOM)
        node.elsewhere(entry(len(HISTORY) + 1), entry(len(HISTORY) + 2))
        assert await node.rooms.personal.mark_read(BOB, ROOM, 8) == 8
        assert await node.rooms.personal.mark_read(BOB, ROOM, 99) == 8
