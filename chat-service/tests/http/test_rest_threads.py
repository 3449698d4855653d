"""Threads and pins over REST: writing into a thread, reading it, pinning, and history that goes around them."""

from __future__ import annotations

from rest_client import Client, a_channel, a_guest


async def said(who: Client, room: str, text: str = "hi", **more: object) -> int:
    """Write a message; its seq."""
    stored = await who.expect(201, "POST", f"/rooms/{room}/messages", {"body": {"text": text, **more}})
    return int(stored["seq"])


async def a_room_of_two(ann: Client, bob: Client) -> str:
    room = await a_channel(ann)
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    return room


async def test_a_thread_hangs_on_its_message_and_stays_out_of_the_room(ann: Client, bob: Client) -> None:
    room = await a_room_of_two(ann, bob)
    root = await said(ann, room, "lunch?")
    replies = [await said(bob, room, f"reply {number}", thread=root) for number in range(3)]
    await ann.expect(200, "DELETE", f"/rooms/{room}/messages/{replies[0]}")
    (shown,) = (await ann.expect(200, "GET", f"/rooms/{room}/messages"))["messages"]
    assert (shown["seq"], shown["replies"]) == (root, 2)
    page = await ann.expect(200, "GET", f"/rooms/{room}/threads/{root}")
    assert page["root"] == shown
    assert [message["seq"] for message in page["messages"]] == replies
    assert [message.get("redacted", False) for message in page["messages"]] == [True, False, False]
    assert {message["thread"] for message in page["messages"]} == {root}
    assert page["more"] is False
    newest = await ann.expect(200, "GET", f"/rooms/{room}/threads/{root}?limit=1")
    assert ([message["seq"] for message in newest["messages"]], newest["more"]) == (replies[2:], True)
    older = await ann.expect(200, "GET", f"/rooms/{room}/threads/{root}?before={replies[2]}")
    assert ([message["seq"] for message in older["messages"]], older["more"]) == (replies[:2], False)


async def test_a_thread_begins_at_a_message_of_the_room_that_is_there(ann: Client, bob: Client) -> None:
    room = await a_room_of_two(ann, bob)
    root, gone = await said(ann, room), await said(ann, room)
    reply = await said(ann, room, thread=root)
    await ann.expect(200, "DELETE", f"/rooms/{room}/messages/{gone}")
    messages = f"/rooms/{room}/messages"
    refused = await ann.refused("invalid", "POST", messages, {"body": {"text": "t", "thread": reply}})
    assert str(root) in refused["message"]
    for missing in (gone, 1, 99):
        await ann.refused("not_found", "POST", messages, {"body": {"text": "t", "thread": missing}})
    both = {"text": "t", "thread": root, "reply_to": root}
    assert (await ann.refused("invalid", "POST", messages, {"body": both}))["field"] == "body.reply_to"
    for missing in (reply, 1, 99):
        await ann.refused("not_found", "GET", f"/rooms/{room}/threads/{missing}")


async def test_a_reply_is_for_those_who_take_part_in_the_thread(ann: Client, bob: Client) -> None:
    room = await a_room_of_two(ann, bob)
    root = await said(ann, room)
    await said(bob, room, thread=root)
    (mine,) = (await ann.expect(200, "GET", "/rooms"))["rooms"]
    assert (mine["mentions"], mine["unread"]) == (1, 0)
    await said(ann, room, thread=root)
    page = await ann.expect(200, "GET", f"/rooms/{room}/threads/{root}")
    assert [message["body"]["mentions"] for message in page["messages"]] == [[ann.user["id"]], [bob.user["id"]]]


async def test_pins_are_listed_from_the_newest_while_their_message_is_there(ann: Client, bob: Client) -> None:
    room = await a_room_of_two(ann, bob)
    first, second, third = [await said(ann, room, text) for text in ("one", "two", "three")]
    for seq in (first, third, second, first):
        await bob.expect(200, "PUT", f"/rooms/{room}/messages/{seq}/pin")

    async def pinned() -> list[int]:
        pins = await ann.expect(200, "GET", f"/rooms/{room}/pins")
        assert all(message["pinned"] for message in pins["messages"])
        return [message["seq"] for message in pins["messages"]]

    assert await pinned() == [first, second, third]
    await ann.expect(200, "DELETE", f"/rooms/{room}/messages/{first}/pin")
    await ann.expect(200, "DELETE", f"/rooms/{room}/messages/{third}")
    assert await pinned() == [second]
    history = await bob.expect(200, "GET", f"/rooms/{room}/messages")
    assert [message.get("pinned", False) for message in history["messages"]] == [False, True, False]
    await ann.refused("not_found", "PUT", f"/rooms/{room}/messages/{third}/pin")
    await ann.expect(200, "DELETE", f"/rooms/{room}/messages/{third}/pin")


async def test_guests_and_visitors_pin_nothing(ann: Client, bob: Client, nobody: Client) -> None:
    room = await a_channel(ann, guests=True)
    message = await said(ann, room)
    guest = await a_guest(nobody)
    await ann.expect(201, "POST", f"/rooms/{room}/members", {"user": guest.user["id"], "role": "guest"})
    for who in (guest, bob):
        await who.refused("forbidden", "PUT", f"/rooms/{room}/messages/{message}/pin")


async def test_who_reads_from_joining_on_sees_no_older_pin_and_no_older_thread(ann: Client, bob: Client) -> None:
    room = await a_channel(ann, history="joined")
    message = await said(ann, room)
    await ann.expect(200, "PUT", f"/rooms/{room}/messages/{message}/pin")
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    assert (await bob.expect(200, "GET", f"/rooms/{room}/pins"))["messages"] == []
    await bob.refused("not_found", "GET", f"/rooms/{room}/threads/{message}")
    await bob.refused("not_found", "POST", f"/rooms/{room}/messages", {"body": {"text": "t", "thread": message}})


async def test_history_goes_both_ways_from_a_message(ann: Client, bob: Client) -> None:
    room = await a_room_of_two(ann, bob)
    seqs = [await said(ann, room, str(number)) for number in range(7)]

    async def page(query: str) -> tuple[list[int], bool, bool]:
        found = await ann.expect(200, "GET", f"/rooms/{room}/messages?limit=3&{query}")
        return [message["seq"] for message in found["messages"]], found["more"], found["newer"]

    assert await page(f"around={seqs[3]}") == (seqs[2:5], True, True)
    assert await page(f"around={seqs[0]}") == (seqs[:3], False, True)
    assert await page("around=99") == (seqs[4:], True, False)
    assert await page(f"after={seqs[4]}") == (seqs[5:], True, False)
    assert await page("after=0") == (seqs[:3], False, True)
    await ann.refused("invalid", "GET", f"/rooms/{room}/messages?after=1&before=4")
    whole = await ann.expect(200, "GET", f"/rooms/{room}/messages?changes=true")
    assert [change["kind"] for change in whole["changes"]] == ["create", "join"]
    assert (await ann.expect(200, "GET", f"/rooms/{room}/messages"))["changes"] is None


async def test_a_message_of_nothing_is_refused(ann: Client) -> None:
    room = await a_channel(ann)
    refused = await ann.refused("invalid", "POST", f"/rooms/{room}/messages", {"body": {}})
    assert refused["field"] == "body.text"
