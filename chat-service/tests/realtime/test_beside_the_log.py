"""Protocol v1: what is told beside the log: typing, presence, read markers, unread, room lists, notices."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
from chat_node import ChatNode, running
from wire_client import Wire

from chat_service.model.entries import Kind


@pytest.fixture
async def room(node: ChatNode) -> str:
    """A private channel of ann and bob."""
    return await node.channel("ann", "bob")


async def opened(node: ChatNode, who: str, room: str) -> Wire:
    """A connection that has the room open."""
    client = await node.connect(who)
    await client.done("room:open", room=room)
    return client


async def quiet(client: Wire, *others: Wire) -> None:
    """Wait until whatever was on its way to these clients has arrived: their next answer stands behind it."""
    for one in (client, *others):
        await one.ask("room:close", {"room": "c" + "z" * 21})


# -- typing -------------------------------------------------------------------------------------------


async def test_typing_is_told_to_the_others_who_have_the_room_open(node: ChatNode, room: str) -> None:
    ann, bob = await opened(node, "ann", room), await opened(node, "bob", room)
    assert await ann.done("typing", room=room, on=True) == {}
    assert await bob.next("typing") == {"room": room, "user": node.people["ann"].id, "on": True}
    await ann.done("typing", room=room, on=False)
    assert (await bob.next("typing"))["on"] is False
    await quiet(ann, bob)
    assert ann.heard("typing") == []


async def test_typing_needs_the_room_open_and_a_voice_in_it(node: ChatNode, room: str) -> None:
    ann = await node.connect("ann")
    await ann.refused("not_found", "typing", room=room, on=True)
    public = await node.channel("ann", public=True)
    visitor = await opened(node, "vera", public)
    await visitor.refused("forbidden", "typing", room=public, on=True)


# -- presence -----------------------------------------------------------------------------------------


async def test_presence_is_of_people_however_many_connections_they_have(node: ChatNode, room: str) -> None:
    ann, bob = await node.person("ann"), await node.person("bob")
    watching = await node.connect("ann")
    assert (await watching.done("room:open", room=room))["online"] == [ann.id]
    phone, laptop = await node.connect("bob"), await node.connect("bob")
    assert (await phone.done("room:open", room=room))["online"] == [ann.id, bob.id]
    assert await watching.next("presence") == {"room": room, "user": bob.id, "online": True}
    await laptop.done("room:open", room=room)
    await phone.done("room:close", room=room)
    await quiet(phone, watching)
    assert watching.heard("presence") == []
    await laptop.leave()
    assert await watching.next("presence") == {"room": room, "user": bob.id, "online": False}


# -- read markers -------------------------------------------------------------------------------------


async def test_a_read_marker_moves_forward_only_and_not_beyond_the_end(node: ChatNode, room: str) -> None:
    ann, bob = await opened(node, "ann", room), await opened(node, "bob", room)
    await node.say("ann", room, "1", "2")
    assert await bob.done("read:mark", room=room, seq=3) == {"seq": 3}
    assert await ann.next("read") == {"room": room, "user": node.people["bob"].id, "seq": 3}
    assert await bob.done("read:mark", room=room, seq=2) == {"seq": 3}
    assert await bob.done("read:mark", room=room, seq=9007199254740991) == {"seq": 4}
    assert await bob.done("read:mark", room=room, seq=0) == {"seq": 4}


async def test_only_members_have_a_read_marker(node: ChatNode, room: str) -> None:
    public = await node.channel("ann", public=True)
    vera = await node.connect("vera")
    await vera.refused("forbidden", "read:mark", room=public, seq=1)
    await vera.refused("not_found", "read:mark", room=room, seq=1)


# -- unread -------------------------------------------------------------------------------------------


async def test_members_who_have_not_opened_a_room_hear_of_it_with_their_mentions(
    node: ChatNode, room: str
) -> None:
    ann, bob, vera = await opened(node, "ann", room), await node.connect("bob"), await node.connect("vera")
    for number in range(20):
        text = "@bob, look" if number % 5 == 0 else "and so on"
        await ann.done("message:send", room=room, key=str(number), body={"text": text})
    node.rooms.publisher._unread.report()
    assert await bob.next("unread") == {"room": room, "last_seq": 22, "messages": 20, "mentions": 4}
    await ann.done("message:send", room=room, key="last", body={"text": "bye"})
    node.rooms.publisher._unread.report()
    assert await bob.next("unread") == {"room": room, "last_seq": 23, "messages": 1, "mentions": 0}
    await quiet(ann, vera)
    assert (ann.heard("unread"), vera.heard("unread")) == ([], [])


async def test_a_message_sent_again_is_no_second_mention(node: ChatNode, room: str) -> None:
    """Regression: a repeated key publishes its entry once more, and the mention was counted once more."""
    ann, bob = await node.connect("ann"), await node.connect("bob")
    for _ in range(3):
        await ann.done("message:send", room=room, key="k", body={"text": "@bob, look"})
    node.rooms.publisher._unread.report()
    assert await bob.next("unread") == {"room": room, "last_seq": 3, "messages": 1, "mentions": 1}


async def test_unread_comes_at_most_once_a_second_for_a_room(node: ChatNode, room: str) -> None:
    ann, bob = await node.connect("ann"), await node.connect("bob")
    loop = asyncio.get_running_loop()
    arrived: list[float] = []
    said = 0
    while len(arrived) < 2:
        await ann.done("message:send", room=room, key=str(said), body={"text": "hi"})
        said += 1
        await asyncio.sleep(0.02)
        if bob.heard("unread"):
            await bob.next("unread")
            arrived.append(loop.time())
    # The reports lie a second apart; what is measured here is their arrival, and the machine may be busy.
    assert arrived[1] - arrived[0] > 0.5


async def test_edits_and_reactions_make_nothing_unread(node: ChatNode, room: str) -> None:
    await node.say("ann", room, "hi")
    ann, bob = await node.connect("ann"), await node.connect("bob")
    node.rooms.publisher._unread.report()
    await bob.next("unread")
    await ann.done("message:edit", room=room, key="1", target=3, body={"text": "hello"})
    await ann.done("reaction:set", room=room, key="2", target=3, emoji="👍", on=True)
    node.rooms.publisher._unread.report()
    await quiet(ann, bob)
    assert bob.heard("unread") == []


# -- the list of one's rooms --------------------------------------------------------------------------


async def test_somebody_let_in_or_removed_hears_of_it_on_every_connection(node: ChatNode, room: str) -> None:
    carol = await node.person("carol")
    one, other = await node.connect("carol"), await node.connect("carol")
    await node.add("ann", room, carol)
    for client in (one, other):
        told = await client.next("rooms")
        assert (told["room"], told["member"]) == (room, True)
        assert (told["view"]["name"], told["view"]["role"], told["view"]["people"]) == ("tea", "member", 3)
    await node.remove("ann", room, carol)
    for client in (one, other):
        assert await client.next("rooms") == {"room": room, "member": False, "view": None}


async def test_a_changed_room_is_told_to_all_its_members(node: ChatNode, room: str) -> None:
    ann, bob, vera = [await node.connect(who) for who in ("ann", "bob", "vera")]
    await node.rooms.act(node.people["ann"].id, room, Kind.NAME, {"name": "coffee"})
    for client, role in ((ann, "owner"), (bob, "member")):
        told = await client.next("rooms")
        assert (told["room"], told["member"]) == (room, True)
        assert (told["view"]["name"], told["view"]["role"]) == ("coffee", role)
    await quiet(vera)
    assert vera.heard("rooms") == []


async def test_a_new_room_is_in_the_list_of_who_made_it_at_once(node: ChatNode) -> None:
    ann, bob = await node.connect("ann"), await node.connect("bob")
    room = (await node.rooms.open_direct(node.people["ann"].id, node.people["bob"].id)).room
    for client, other in ((ann, "bob"), (bob, "ann")):
        told = await client.next("rooms")
        assert (told["room"], told["view"]["kind"]) == (room, "direct")
        assert told["view"]["with_user"] == node.people[other].id
    await node.say("ann", room, "hi")
    node.rooms.publisher._unread.report()
    assert (await bob.next("unread"))["room"] == room


async def test_somebody_let_in_while_they_connect_hears_of_the_room(
    node: ChatNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: the rooms of a connection were read before it was entered. A change between the two found
    nobody to tell, and the rows that were read did not have it: the room stayed unheard of until the next
    connect.
    """
    room = await node.channel("ann")
    carol = await node.person("carol")
    read = node.rooms._directory.rooms_of

    async def slowly(user: str) -> object:
        rows = await read(user)
        if user == carol.id:
            await node.add("ann", room, carol)
            await asyncio.sleep(0.05)  # the change is told meanwhile
        return rows

    monkeypatch.setattr(node.rooms._directory, "rooms_of", slowly)
    client = await node.connect("carol")
    await client.next("rooms")
    await node.say("ann", room, "welcome")
    node.rooms.publisher._unread.report()
    assert (await client.next("unread"))["room"] == room


async def test_somebody_removed_while_they_connect_hears_no_more_of_the_room(
    node: ChatNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await node.channel("ann", "carol")
    carol = node.people["carol"]
    read = node.rooms._directory.rooms_of

    async def slowly(user: str) -> object:
        rows = await read(user)
        if user == carol.id:
            await node.remove("ann", room, carol)
            await asyncio.sleep(0.05)  # the change is told meanwhile
        return rows

    monkeypatch.setattr(node.rooms._directory, "rooms_of", slowly)
    client = await node.connect("carol")
    await node.say("ann", room, "she is gone")
    node.rooms.publisher._unread.report()
    await quiet(client)
    assert client.heard("unread") == []


# -- losing access ------------------------------------------------------------------------------------


async def test_somebody_removed_from_a_private_room_is_cut_off_at_once(node: ChatNode, room: str) -> None:
    ann, bob = await opened(node, "ann", room), await opened(node, "bob", room)
    await node.remove("ann", room, node.people["bob"])
    assert (await bob.next("entry"))["kind"] == "leave", "the last thing bob learns is why"
    assert await bob.next("notice") == {"kind": "removed", "room": room}
    await ann.done("message:send", room=room, key="1", body={"text": "bob must not see this"})
    for event, fields in {
        "message:send": {"key": "1", "body": {"text": "let me in"}},
        "room:open": {},
        "room:history": {"before": 10},
        "typing": {"on": True},
        "read:mark": {"seq": 1},
    }.items():
        await bob.refused("not_found", event, room=room, **fields)
    assert bob.heard("entry") == []
    assert await ann.next("presence") == {"room": room, "user": node.people["bob"].id, "online": True}
    assert await ann.next("presence") == {"room": room, "user": node.people["bob"].id, "online": False}


async def test_somebody_removed_from_a_public_room_reads_on_and_writes_no_more(node: ChatNode) -> None:
    room = await node.channel("ann", "bob", public=True)
    bob = await opened(node, "bob", room)
    await node.remove("ann", room, node.people["bob"])
    await bob.next("entry")
    assert (await bob.next("rooms"))["view"]["role"] == "visitor"
    await bob.refused("forbidden", "message:send", room=room, key="1", body={"text": "hi"})
    await node.say("ann", room, "still in public")
    assert (await bob.next("entry"))["body"] == {"text": "still in public"}


async def test_a_room_made_private_ends_for_its_visitors(node: ChatNode) -> None:
    room = await node.channel("ann", public=True)
    visitor = await opened(node, "vera", room)
    await node.rooms.act(node.people["ann"].id, room, Kind.SETTINGS, {"visibility": "private"})
    assert await visitor.next("notice") == {"kind": "removed", "room": room}
    await node.say("ann", room, "among ourselves")
    await visitor.refused("not_found", "room:open", room=room)
    assert [entry["kind"] for entry in visitor.heard("entry")] == ["settings"]


async def test_a_log_that_is_another_one_makes_its_readers_open_it_anew(node: ChatNode, room: str) -> None:
    bob = await opened(node, "bob", room)
    hub = node.rooms.delivery.hub(room)
    assert hub is not None
    node.rooms.delivery.resync(hub)
    assert await bob.next("notice") == {"kind": "resync", "room": room}
    await bob.refused("not_found", "typing", room=room, on=True)
    await bob.done("room:open", room=room)
    await bob.done("message:send", room=room, key="1", body={"text": "again"})
    assert (await bob.next("entry"))["body"] == {"text": "again"}


# -- a node that lacks something ----------------------------------------------------------------------


async def test_what_a_node_lacks_is_told_once_to_all_and_to_who_comes_later(node: ChatNode, room: str) -> None:
    ann = await opened(node, "ann", room)
    for _ in range(2):
        node.parts.chat.tell_health(["bus"])
    bob = await opened(node, "bob", room)
    node.parts.chat.tell_health([])
    for wire in (ann, bob):
        assert await wire.next("notice") == {"kind": "health", "down": ["bus"]}
        assert await wire.next("notice") == {"kind": "health", "down": []}


# -- a node that leaves -------------------------------------------------------------------------------


async def test_a_node_that_leaves_says_so_and_answers_until_it_closes(tmp_path: Path) -> None:
    async with running(tmp_path, drain_notice_s=0, drain_close_s=1, stop_timeout_s=30) as node:
        room = await node.channel("ann")
        ann = await opened(node, "ann", room)
        leaving = asyncio.create_task(node.lifecycle.drain(node.parts))
        notice = await ann.next("notice")
        assert notice == {"kind": "draining", "reconnect_after_ms": 0, "jitter_ms": 1000}
        await ann.done("message:send", room=room, key="k", body={"text": "the last one"})
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await node.wire()
        assert refused.value.status == 503
        await ann.over()
        assert ann.disconnected is False, "its transport goes, so that it comes back, to another node"
        await leaving


# -- one's own ----------------------------------------------------------------------------------------


async def test_what_is_ones_own_is_told_to_all_of_ones_connections_and_to_nobody_else(
    node: ChatNode, room: str
) -> None:
    desk, phone, bob = await node.connect("ann"), await node.connect("ann"), await node.connect("bob")
    await desk.done("read:mark", room=room, seq=1)
    marked = {"room": room, "user": node.people["ann"].id, "seq": 1}
    assert [await desk.next("read"), await phone.next("read")] == [marked, marked]
    await node.rooms.personal.set_preferences(node.people["ann"].id, room, muted=None, favourite=True)
    set_ = {"room": room, "muted": False, "favourite": True}
    assert [await desk.next("preferences"), await phone.next("preferences")] == [set_, set_]
    await quiet(bob)
    assert bob.heard("read") + bob.heard("preferences") == []


async def test_a_new_name_is_told_to_those_who_have_a_room_of_that_person_open(node: ChatNode, room: str) -> None:
    bob, carol = await opened(node, "bob", room), await node.connect("carol")
    ann = node.people["ann"]
    await node.rooms.personal.renamed(ann.id, "ann", "Anna")
    assert await bob.next("person") == {"id": ann.id, "username": "ann", "name": "Anna"}
    await quiet(carol)
    assert carol.heard("person") == []


# -- threads ------------------------------------------------------------------------------------------


async def test_a_reply_comes_live_and_makes_nothing_unread_but_for_those_it_is_for(
    node: ChatNode, room: str
) -> None:
    ann, bob = await opened(node, "ann", room), await node.connect("bob")
    [root] = await node.say("bob", room, "lunch?")
    stored = await ann.done("message:send", room=room, key="r", body={"text": "yes"}, thread=root.seq)
    _, reply = await ann.entries(2)
    assert (reply["seq"], reply["target"]) == (stored["seq"], root.seq)
    assert reply["body"] == {"text": "yes", "mentions": [node.people["bob"].id]}
    node.rooms.publisher._unread.report()
    assert await bob.next("unread") == {"room": room, "last_seq": stored["seq"], "messages": 0, "mentions": 1}


async def test_the_first_deletion_of_a_reply_names_its_thread(node: ChatNode, room: str) -> None:
    [root] = await node.say("bob", room, "lunch?")
    ann = await opened(node, "ann", room)
    reply = await ann.done("message:send", room=room, key="r", body={"text": "yes"}, thread=root.seq)
    for key in ("d1", "d2"):
        await ann.done("message:delete", room=room, key=key, target=reply["seq"])
    _, first, second = await ann.entries(3)
    assert (first["body"], second["body"]) == ({"thread": root.seq}, {})
