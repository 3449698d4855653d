"""Protocol v1: what message:send, message:edit, message:delete and reaction:set do, answer and refuse."""

from __future__ import annotations

from typing import Any

import pytest
from chat_node import ChatNode
from wire_client import Wire

NO_ROOM = "c" + "a" * 21

WRITES: dict[str, dict[str, Any]] = {
    "message:send": {"body": {"text": "hello"}},
    "message:edit": {"target": 2, "body": {"text": "hello"}},
    "message:delete": {"target": 2},
    "reaction:set": {"target": 2, "emoji": "👍", "on": True},
}
"""Every event that writes, with what it needs besides room and key; entry 2 is a message of ann's."""


@pytest.fixture
async def room(node: ChatNode) -> str:
    """A private channel of ann, where she has said hi (entry 2), and of bob (entry 3)."""
    room = await node.channel("ann")
    await node.say("ann", room, "hi")
    await node.add("ann", room, await node.person("bob"))
    return room


@pytest.fixture
async def ann(node: ChatNode, room: str) -> Wire:
    """The owner of the room, who has it open."""
    return await opened(node, "ann", room)


@pytest.fixture
async def bob(node: ChatNode, room: str) -> Wire:
    """A member of the room, who has it open."""
    return await opened(node, "bob", room)


async def opened(node: ChatNode, who: str, room: str) -> Wire:
    """A connection that has the room open."""
    client = await node.connect(who)
    await client.done("room:open", room=room)
    return client


async def test_a_message_is_acknowledged_and_reaches_everybody_who_has_the_room_open(
    node: ChatNode, room: str, ann: Wire, bob: Wire
) -> None:
    ack = await ann.done("message:send", room=room, key="k1", body={"text": "hello"}, reply_to=2)
    assert ack == {"seq": 4, "id": ack["id"], "ts": ack["ts"], "duplicate": False}
    expected = {
        "room": room,
        "seq": 4,
        "id": ack["id"],
        "kind": "message",
        "sender": node.people["ann"].id,
        "ts": ack["ts"],
        "key": "k1",
        "body": {"text": "hello", "reply_to": 2},
    }
    assert await bob.next("entry") == expected
    assert await ann.next("entry") == expected


async def test_an_edit_a_reaction_and_a_deletion_are_entries_that_point_at_the_message(
    room: str, ann: Wire, bob: Wire
) -> None:
    edit = await ann.done("message:edit", room=room, key="e", target=2, body={"text": "hello"})
    heart = await bob.done("reaction:set", room=room, key="r", target=2, emoji="❤️", on=True)
    gone = await ann.done("message:delete", room=room, key="d", target=2)
    assert [ack["seq"] for ack in (edit, heart, gone)] == [4, 5, 6]
    edited, reacted, deleted = await bob.entries(3)
    assert (edited["kind"], edited["target"], edited["body"]) == ("edit", 2, {"text": "hello"})
    assert (reacted["kind"], reacted["target"], reacted["body"]) == ("reaction", 2, {"emoji": "❤️", "on": True})
    assert (deleted["kind"], deleted["target"], deleted["body"]) == ("delete", 2, {})


@pytest.mark.parametrize("event", WRITES)
async def test_the_same_key_again_gets_the_first_result_and_adds_nothing(
    room: str, ann: Wire, bob: Wire, event: str
) -> None:
    request = {"room": room, "key": "once", **WRITES[event]}
    first = await ann.done(event, **request)
    again = await ann.done(event, **request)
    assert again == {**first, "duplicate": True}
    last = await bob.done("message:send", room=room, key="once", body={"text": "next"})
    assert last["seq"] == first["seq"] + 1, "keys are each sender's own"
    assert [entry["seq"] for entry in await bob.entries(2)] == [first["seq"], last["seq"]]


@pytest.mark.parametrize("event", WRITES)
async def test_a_key_is_not_good_for_another_request(room: str, ann: Wire, event: str) -> None:
    await ann.done("message:send", room=room, key="taken", body={"text": "something else"})
    error = await ann.refused("key_reused", event, room=room, key="taken", **WRITES[event])
    assert error["retryable"] is False
    assert "retry_after_ms" not in error


@pytest.mark.parametrize("event", WRITES)
async def test_nobody_outside_learns_that_a_private_room_is_there(node: ChatNode, room: str, event: str) -> None:
    for outsider in (await node.connect("mallory"), await node.connect(await node.guest())):
        there = await outsider.refused("not_found", event, room=room, key="k", **WRITES[event])
        not_there = await outsider.refused("not_found", event, room=NO_ROOM, key="k", **WRITES[event])
        assert there == not_there


@pytest.mark.parametrize("event", WRITES)
async def test_a_visitor_of_a_public_room_reads_and_does_not_write(node: ChatNode, event: str) -> None:
    room = await node.channel("ann", public=True)
    await node.say("ann", room, "hi")
    visitor = await node.connect("vera")
    opening = await visitor.done("room:open", room=room)
    assert opening["role"] == "visitor"
    assert [message["body"]["text"] for message in opening["reset"]["messages"]] == ["hi"]
    await visitor.refused("forbidden", event, room=room, key="k", **WRITES[event])
    await node.say("ann", room, "to everybody")
    assert (await visitor.next("entry"))["body"] == {"text": "to everybody"}


async def test_only_its_author_edits_a_message_and_only_staff_deletes_others(
    node: ChatNode, room: str, ann: Wire, bob: Wire
) -> None:
    await bob.refused("forbidden", "message:edit", room=room, key="1", target=2, body={"text": "mine now"})
    await bob.refused("forbidden", "message:delete", room=room, key="2", target=2)
    bobs = await bob.done("message:send", room=room, key="3", body={"text": "hi"})
    await ann.refused("forbidden", "message:edit", room=room, key="1", target=bobs["seq"], body={"text": "no"})
    await ann.done("message:delete", room=room, key="2", target=bobs["seq"])


@pytest.mark.parametrize(
    "request_",
    [
        ("message:send", {"body": {"text": "hi"}, "reply_to": 99}),
        ("message:send", {"body": {"text": "hi"}, "reply_to": 1}),
        ("message:edit", {"target": 99, "body": {"text": "hi"}}),
        ("message:edit", {"target": 1, "body": {"text": "hi"}}),
        ("message:delete", {"target": 3}),
        ("reaction:set", {"target": 9007199254740991, "emoji": "👍", "on": True}),
    ],
    ids=str,
)
async def test_what_is_pointed_at_must_be_a_message_of_the_room(
    room: str, ann: Wire, request_: tuple[str, dict[str, Any]]
) -> None:
    event, fields = request_
    await ann.refused("not_found", event, room=room, key="k", **fields)


async def test_a_deleted_message_is_gone_for_all_but_another_deletion(room: str, ann: Wire, bob: Wire) -> None:
    await ann.done("message:delete", room=room, key="d", target=2)
    await ann.refused("not_found", "message:edit", room=room, key="1", target=2, body={"text": "back"})
    await bob.refused("not_found", "reaction:set", room=room, key="1", target=2, emoji="👍", on=True)
    await bob.refused("not_found", "message:send", room=room, key="2", body={"text": "?"}, reply_to=2)
    await ann.done("message:delete", room=room, key="d2", target=2)


async def test_a_text_as_long_as_the_setting_is_sent_and_one_longer_is_too_large(room: str, ann: Wire) -> None:
    longest = "🎈" * 8000
    await ann.done("message:send", room=room, key="1", body={"text": longest})
    assert (await ann.next("entry"))["body"]["text"] == longest
    error = await ann.refused("too_large", "message:send", room=room, key="2", body={"text": longest + "!"})
    assert "8000" in error["message"]
    assert error["retryable"] is False
    await ann.refused("too_large", "message:edit", room=room, key="3", target=2, body={"text": "x" * 8001})


async def test_a_mention_names_the_members_that_it_means(node: ChatNode, room: str, ann: Wire) -> None:
    await node.person("carol")
    await ann.done("message:send", room=room, key="1", body={"text": "@Bob and @carol, look, @nobody"})
    entry = await ann.next("entry")
    assert entry["body"]["mentions"] == [node.people["bob"].id], "members only"


async def test_a_refused_write_takes_the_waiting_ones_of_its_connection_with_it(
    room: str, ann: Wire, bob: Wire
) -> None:
    numbers = [
        await ann.post("message:send", {"room": room, "key": f"k{number}", "body": {"text": str(number)}})
        for number in range(3)
    ]
    numbers.append(await ann.post("message:delete", {"room": room, "key": "d", "target": 1}))
    numbers += [
        await ann.post("message:send", {"room": room, "key": f"k{number}", "body": {"text": str(number)}})
        for number in range(3, 6)
    ]
    answers = [await ann.answer_to(number) for number in numbers]
    codes = [answer["error"]["code"] if "error" in answer else "stored" for answer in answers]
    assert codes == ["stored"] * 3 + ["not_found"] + ["aborted"] * 3
    assert answers[-1]["error"]["retryable"] is True
    again = await ann.done("message:send", room=room, key="k3", body={"text": "3"})
    assert again["duplicate"] is False
    texts = [entry["body"]["text"] for entry in await bob.entries(4)]
    assert texts == ["0", "1", "2", "3"]


async def test_a_thousand_pipelined_messages_are_stored_in_the_order_sent(
    node: ChatNode, room: str, ann: Wire, bob: Wire
) -> None:
    # More than the 256 that may be in flight: the socket is not read from meanwhile, and nothing is lost.
    numbers = [
        await ann.post("message:send", {"room": room, "key": f"k{number}", "body": {"text": str(number)}})
        for number in range(1000)
    ]
    acks = [await ann.answer_to(number) for number in numbers]
    assert [ack["seq"] for ack in acks] == list(range(4, 1004))
    entries = await bob.entries(1000)
    assert [entry["body"]["text"] for entry in entries] == [str(number) for number in range(1000)]
    assert [entry["seq"] for entry in entries] == list(range(4, 1004))
