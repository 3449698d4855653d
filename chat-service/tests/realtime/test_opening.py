"""Protocol v1: opening a room, resuming it, being told to start over, and going back in its history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from chat_node import ChatNode, nothing_is_left, running
from room_picture import RoomPicture
from wire_client import Wire

from chat_service.model.entries import Kind
from chat_service.model.rooms import HistoryAccess


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ChatNode]:
    """A node whose pages are small: 8 entries, a reset 2 messages, a ring 4; a resume at most 30."""
    async with running(tmp_path, page_entries=8, ring_entries=4, resume_max_entries=30) as started:
        yield started


@pytest.fixture
async def room(node: ChatNode) -> str:
    """A private channel of ann and bob with 20 messages: entries 3 to 22."""
    room = await node.channel("ann", "bob")
    await node.say("ann", room, *(f"message {number}" for number in range(20)))
    return room


async def open_to_the_end(client: Wire, room: str, picture: RoomPicture, **held: Any) -> list[dict[str, Any]]:
    """Open a room, page by page, until it is live; the answers."""
    answers = []
    while True:
        answer = await client.done("room:open", room=room, **held)
        answers.append(answer)
        picture.open(answer)
        if not answer["more"]:
            return answers
        held = {"after": answer["last_seq"], "after_id": answer["last_id"], "epoch": answer["epoch"]}


async def test_a_first_opening_is_answered_with_the_newest_messages_folded(node: ChatNode, room: str) -> None:
    ann = await node.connect("ann")
    answer = await ann.done("room:open", room=room)
    assert set(answer) == {"room", "role", "epoch", "last_seq", "last_id", "entries", "more", "reset", "online"}
    assert (answer["room"], answer["role"], answer["more"]) == (room, "owner", False)
    assert (answer["last_seq"], answer["entries"]) == (22, [])
    assert (answer["reset"]["as_of"], answer["reset"]["more"]) == (22, True)
    assert [message["body"]["text"] for message in answer["reset"]["messages"]] == ["message 18", "message 19"]
    (receipt,) = await node.say("bob", room, "next")
    entry = await ann.next("entry")
    assert (entry["seq"], entry["id"]) == (23, receipt.id)


async def test_whoever_holds_nothing_but_says_zero_is_given_every_entry(node: ChatNode, room: str) -> None:
    ann = await node.connect("ann")
    picture = RoomPicture()
    answers = await open_to_the_end(ann, room, picture, after=0)
    assert [answer["more"] for answer in answers] == [True, True, False]
    assert all(answer["reset"] is None for answer in answers)
    assert picture.shown() == await node.truth("ann", room)
    await node.say("bob", room, "live")
    picture.entry(await ann.next("entry"))
    assert picture.shown() == await node.truth("ann", room)


async def test_between_two_pages_nothing_is_live_and_afterwards_nothing_is_missing(
    node: ChatNode, room: str
) -> None:
    ann = await node.connect("ann")
    first = await ann.done("room:open", room=room, after=0)
    assert first["more"] is True
    await node.say("bob", room, "meanwhile")
    picture = RoomPicture()
    picture.open(first)
    await open_to_the_end(ann, room, picture, after=first["last_seq"], after_id=first["last_id"])
    assert ann.heard("entry") == []
    assert picture.shown() == await node.truth("ann", room)


async def test_who_comes_back_gets_what_they_missed_and_then_what_is_new(node: ChatNode, room: str) -> None:
    ann = await node.connect("ann")
    picture = RoomPicture()
    (answer,) = await open_to_the_end(ann, room, picture)
    await ann.leave()
    await node.say("bob", room, "missed 1", "missed 2")
    ann = await node.connect("ann")
    held = {"after": picture.held, "after_id": answer["last_id"], "epoch": answer["epoch"]}
    (resumed,) = await open_to_the_end(ann, room, picture, **held)
    assert [entry["body"]["text"] for entry in resumed["entries"]] == ["missed 1", "missed 2"]
    await node.say("bob", room, "new")
    assert (await ann.next("entry"))["seq"] == 25


async def test_who_missed_nothing_gets_nothing(node: ChatNode, room: str) -> None:
    ann = await node.connect("ann")
    first = await ann.done("room:open", room=room)
    again = await ann.done("room:open", room=room, after=first["last_seq"], after_id=first["last_id"])
    assert (again["entries"], again["reset"], again["more"]) == ([], None, False)
    assert (again["last_seq"], again["last_id"]) == (first["last_seq"], first["last_id"])


@pytest.mark.parametrize(
    "held",
    [
        {"after": 22, "after_id": "aaaaaaaaaaaa"},
        {"after": 22, "epoch": "another store.aaaaaaaaaaaa"},
        {"after": 23},
        {"after": 9007199254740991},
    ],
    ids=["another entry", "another epoch", "one beyond the end", "far beyond the end"],
)
async def test_who_holds_what_this_log_does_not_starts_over(
    node: ChatNode, room: str, held: dict[str, Any]
) -> None:
    ann = await node.connect("ann")
    answer = await ann.done("room:open", room=room, **held)
    assert answer["reset"]["as_of"] == answer["last_seq"] == 22


async def test_who_was_away_for_too_long_starts_over(node: ChatNode, room: str) -> None:
    ann = await node.connect("ann")
    assert (await ann.done("room:open", room=room, after=2))["reset"] is None
    await node.say("bob", room, *("x" * 11))
    assert (await ann.done("room:open", room=room, after=2))["reset"] is not None
    assert (await ann.done("room:open", room=room, after=3))["reset"] is None


async def test_opening_never_joins(node: ChatNode) -> None:
    room = await node.channel("ann", public=True)
    vera = await node.connect("vera")
    assert (await vera.done("room:open", room=room))["role"] == "visitor"
    members = await node.rooms.browsing.members(node.people["ann"].id, room, "", 10)
    assert [member.user for member in members.members] == [node.people["ann"].id]
    assert (await node.rooms.active.load(room)).state.head.seq == 1


async def test_a_guest_reads_and_writes_where_they_were_let_in_and_nowhere_else(node: ChatNode) -> None:
    room = await node.channel("ann", public=True, guests=True)
    guest = await node.guest()
    client = await node.connect(guest)
    await client.refused("not_found", "room:open", room=room)
    await node.add("ann", room, guest, "guest")
    assert (await client.done("room:open", room=room))["role"] == "guest"
    await client.done("message:send", room=room, key="k", body={"text": "thanks"})
    assert (await client.next("entry"))["sender"] == guest.id


async def test_a_direct_room_is_open_to_its_two_people_only(node: ChatNode) -> None:
    ann, bob = await node.person("ann"), await node.person("bob")
    room = (await node.rooms.open_direct(ann.id, bob.id)).room
    one, other = await node.connect("ann"), await node.connect("bob")
    assert (await one.done("room:open", room=room))["role"] == "member"
    await other.done("room:open", room=room)
    await one.done("message:send", room=room, key="k", body={"text": "psst"})
    assert (await other.next("entry"))["body"] == {"text": "psst"}
    mallory = await node.connect("mallory")
    await mallory.refused("not_found", "room:open", room=room)
    await mallory.refused("not_found", "room:history", room=room, before=10)


async def test_a_member_of_a_room_that_shows_no_past_reads_from_joining_on(node: ChatNode) -> None:
    room = await node.channel("ann", history=HistoryAccess.JOINED)
    await node.say("ann", room, "before bob")
    await node.add("ann", room, await node.person("bob"))
    await node.say("ann", room, "after bob")
    bob = await node.connect("bob")
    first = await bob.done("room:open", room=room)
    assert [message["body"]["text"] for message in first["reset"]["messages"]] == ["after bob"]
    everything = await bob.done("room:open", room=room, after=0)
    assert [entry["kind"] for entry in everything["entries"]] == ["join", "message"]
    history = await bob.done("room:history", room=room, before=100)
    assert [message["body"]["text"] for message in history["messages"]] == ["after bob"]


async def test_a_closed_room_says_nothing_more_and_can_be_opened_again(node: ChatNode, room: str) -> None:
    ann = await node.connect("ann")
    answer = await ann.done("room:open", room=room)
    assert await ann.done("room:close", room=room) == {}
    assert await ann.done("room:close", room=room) == {}, "closing what is closed is no error"
    await node.say("bob", room, "unheard")
    again = await ann.done("room:open", room=room, after=answer["last_seq"])
    assert [entry["body"]["text"] for entry in again["entries"]] == ["unheard"]
    assert ann.heard("entry") == []


async def test_opening_twice_does_not_bring_anything_twice(node: ChatNode, room: str) -> None:
    ann = await node.connect("ann")
    await ann.done("room:open", room=room)
    await ann.done("room:open", room=room)
    await node.say("bob", room, "once", "and the next")
    assert [entry["body"]["text"] for entry in await ann.entries(2)] == ["once", "and the next"]
    assert ann.heard("entry") == []


async def test_history_is_paged_backwards_with_what_happened_to_the_messages_since(
    node: ChatNode, room: str
) -> None:
    ann = await node.connect("ann")
    await ann.done("message:edit", room=room, key="e", target=5, body={"text": "edited"})
    page = await ann.done("room:history", room=room, before=6, limit=2)
    assert set(page) == {"messages", "as_of", "as_of_id", "more", "newer", "changes"}
    assert [message["seq"] for message in page["messages"]] == [4, 5]
    assert page["messages"][1]["body"] == {"text": "edited"}
    assert (page["messages"][1]["edited"], page["as_of"], page["more"]) == (23, 23, True)
    oldest = await ann.done("room:history", room=room, before=5, limit=10)
    assert ([message["seq"] for message in oldest["messages"]], oldest["more"]) == ([3, 4], False)
    none = await ann.done("room:history", room=room, before=1)
    assert (none["messages"], none["more"]) == ([], False)


async def test_history_and_live_entries_together_are_the_truth(node: ChatNode, room: str) -> None:
    """While others write, edit, react and delete, every page is folded to some other seq than what is held."""
    reader, writer = await node.connect("bob"), await node.connect("ann")
    picture = RoomPicture()
    await open_to_the_end(reader, room, picture)
    turn = 0
    while min(picture.messages) > 3 or turn < 12:
        target = 3 + turn * 7 % 20
        edit = {"room": room, "key": f"e{turn}", "target": target, "body": {"text": f"edit {turn}"}}
        react = {"room": room, "key": f"r{turn}", "target": target, "emoji": "👍", "on": turn % 3 > 0}
        numbers = [await writer.post("message:edit", edit), await writer.post("reaction:set", react)]
        page = await reader.post("room:history", {"room": room, "before": min(picture.messages), "limit": 3})
        await writer.done("message:send", room=room, key=f"m{turn}", body={"text": f"new {turn}"})
        if turn == 6:
            await writer.done("message:delete", room=room, key="d", target=picture.held)
        if turn % 2:
            await asyncio.gather(*(writer.answer_to(number) for number in numbers))
        for _ in range(len(reader.heard("entry"))):
            picture.entry(await reader.next("entry"))
        picture.history(await reader.answer_to(page))
        turn += 1
    head = (await node.rooms.active.load(room)).state.head.seq
    while picture.held < head:
        picture.entry(await reader.next("entry"))
    assert picture.shown() == await node.truth("bob", room)


async def test_an_erased_person_is_gone_from_every_page(node: ChatNode, room: str) -> None:
    await node.rooms.erase_user(node.people["ann"].id)
    bob = await node.connect("bob")
    picture = RoomPicture()
    await open_to_the_end(bob, room, picture, after=0)
    assert all(message.get("redacted") and "body" not in message for message in picture.shown())


async def test_at_most_500_rooms_are_open_at_a_time_and_refused_ones_do_not_count(
    node: ChatNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_service.realtime.events.MAX_OPEN_ROOMS", 3)
    rooms = [await node.channel("ann", "bob") for _ in range(4)]
    bob = await node.connect("bob")
    for number in range(5):
        # Regression: a refused opening used to keep its place until the client closed the room.
        await bob.refused("not_found", "room:open", room="c" + "abcde"[number] * 21)
    for room in rooms[:3]:
        await bob.done("room:open", room=room)
    await bob.done("room:open", room=rooms[0])
    error = await bob.refused("too_large", "room:open", room=rooms[3])
    assert error["message"] == "A connection can have 3 rooms open. Close some."
    # So did a room that somebody was removed from.
    await node.remove("ann", rooms[1], node.people["bob"])
    assert await bob.next("notice") == {"kind": "removed", "room": rooms[1]}
    await bob.done("room:open", room=rooms[3])
    await bob.done("room:close", room=rooms[0])
    await bob.done("room:open", room=rooms[2])


async def test_rooms_that_are_being_opened_count(node: ChatNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat_service.realtime.events.MAX_OPEN_ROOMS", 3)
    rooms = [await node.channel("ann") for _ in range(5)]
    ann = await node.connect("ann")
    numbers = [await ann.post("room:open", {"room": room}) for room in rooms]
    answers = [await ann.answer_to(number) for number in numbers]
    assert [answer["ok"] for answer in answers] == [True, True, True, False, False]
    assert {answer["error"]["code"] for answer in answers[3:]} == {"too_large"}


async def test_a_room_closed_while_it_opens_stays_closed(node: ChatNode, room: str) -> None:
    """Regression: `room:close` overtook `room:open` while the room was loaded. The subscription came after
    it, belonged to no connection's list, and stayed for ever once the client had gone.
    """
    node.rooms.active.forget(room)
    ann = await node.connect("ann")
    opening = await ann.post("room:open", {"room": room})
    closing = await ann.post("room:close", {"room": room})
    assert await ann.answer_to(closing) == {"ok": True}
    assert (await ann.answer_to(opening))["error"]["code"] == "aborted"
    assert node.rooms.delivery.hub(room) is None


async def test_a_client_that_goes_while_it_opens_leaves_nothing(node: ChatNode, room: str) -> None:
    for _ in range(5):
        node.rooms.active.forget(room)
        ann = await node.connect("ann")
        await ann.post("room:open", {"room": room})
        await ann.leave()
    await nothing_is_left(node)


async def test_several_open_the_same_room_at_once(node: ChatNode, room: str) -> None:
    clients = [await node.connect(who) for who in ("ann", "bob") * 3]
    numbers = [await client.post("room:open", {"room": room, "after": 20}) for client in clients]
    for client, number in zip(clients, numbers, strict=True):
        answer = await client.answer_to(number)
        assert [entry["seq"] for entry in answer["entries"]] == [21, 22]
    await node.say("ann", room, "everybody")
    for client in clients:
        assert (await client.next("entry"))["seq"] == 23


async def test_entries_of_every_kind_come_live_and_in_order(node: ChatNode, room: str) -> None:
    bob = await node.connect("bob")
    await bob.done("room:open", room=room)
    ann, carol = node.people["ann"], await node.person("carol")
    kinds = [
        (Kind.NAME, {"name": "coffee"}),
        (Kind.TOPIC, {"topic": "beans"}),
        (Kind.JOIN, {"user": carol.id, "role": "member"}),
        (Kind.ROLE, {"user": carol.id, "role": "admin"}),
        (Kind.SETTINGS, {"history": "joined"}),
        (Kind.LEAVE, {"user": carol.id}),
    ]
    for kind, body in kinds:
        await node.rooms.act(ann.id, room, kind, body)
    assert [(entry["kind"], entry["body"]) for entry in await bob.entries(len(kinds))] == kinds
