"""Messages over REST: writing, editing, deleting, reacting and reading them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from rest_client import Client, a_channel, client_of, somebody
from rest_service import running

from chat_service.rate import Rate


async def test_a_message_is_written_once_however_often_it_is_sent(ann: Client) -> None:
    room = await a_channel(ann)
    message = {"body": {"text": "hello\n\tworld"}, "key": "m1"}
    first = await ann.expect(201, "POST", f"/rooms/{room}/messages", message)
    assert first["seq"] == 2
    assert first["duplicate"] is False
    again = await ann.expect(201, "POST", f"/rooms/{room}/messages", message)
    assert again == {**first, "duplicate": True}
    other = {"body": {"text": "something else"}, "key": "m1"}
    await ann.refused("key_reused", "POST", f"/rooms/{room}/messages", other)


async def test_history_shows_messages_as_they_are_now(ann: Client, bob: Client) -> None:
    room = await a_channel(ann)
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    messages = f"/rooms/{room}/messages"
    first = await ann.expect(201, "POST", messages, {"body": {"text": "helo"}})
    reply = await bob.expect(201, "POST", messages, {"body": {"text": "what?", "reply_to": first["seq"]}})
    edit = await ann.expect(200, "PATCH", f"{messages}/{first['seq']}", {"body": {"text": "hello"}})
    heart = f"{messages}/{first['seq']}/reactions/{quote('❤️')}"
    await bob.expect(200, "PUT", heart)
    await ann.expect(200, "PUT", heart, headers={"Idempotency-Key": "r"})
    await ann.expect(200, "DELETE", heart)
    deleted = await ann.expect(200, "DELETE", f"{messages}/{reply['seq']}")

    history = await bob.expect(200, "GET", messages)
    assert history["as_of"] == deleted["seq"]
    assert history["more"] is False
    hello, gone = history["messages"]
    assert hello["body"] == {"text": "hello"}
    assert hello["edited"] == edit["seq"]
    assert hello["reactions"] == {"❤️": [bob.user["id"]]}
    assert gone["redacted"] is True
    assert "body" not in gone


async def test_history_is_read_backwards_and_entries_forwards(ann: Client) -> None:
    room = await a_channel(ann)
    for number in range(5):
        await ann.expect(201, "POST", f"/rooms/{room}/messages", {"body": {"text": str(number)}})
    page = await ann.expect(200, "GET", f"/rooms/{room}/messages?before=5&limit=2")
    assert [message["seq"] for message in page["messages"]] == [3, 4]
    assert page["more"] is True
    entries = await ann.expect(200, "GET", f"/rooms/{room}/entries?after=4&limit=1")
    assert [(entry["seq"], entry["kind"]) for entry in entries["entries"]] == [(5, "message")]
    assert (entries["more"], entries["last_seq"]) == (True, 6)
    everything = await ann.expect(200, "GET", f"/rooms/{room}/entries")
    assert [entry["seq"] for entry in everything["entries"]] == [1, 2, 3, 4, 5, 6]
    assert everything["entries"][0]["body"]["name"] == "general"


async def test_a_deleted_message_is_nowhere_to_be_read(ann: Client) -> None:
    room = await a_channel(ann)
    secret = await ann.expect(201, "POST", f"/rooms/{room}/messages", {"body": {"text": "my password"}})
    await ann.expect(200, "DELETE", f"/rooms/{room}/messages/{secret['seq']}")
    for view in ("messages", "entries"):
        assert "my password" not in (await ann.call("GET", f"/rooms/{room}/{view}")).text
    await ann.refused("not_found", "PATCH", f"/rooms/{room}/messages/{secret['seq']}", {"body": {"text": "t"}})


async def test_only_its_author_edits_a_message(ann: Client, bob: Client) -> None:
    room = await a_channel(ann)
    mine = await ann.expect(201, "POST", f"/rooms/{room}/messages", {"body": {"text": "mine"}})
    await bob.refused("forbidden", "POST", f"/rooms/{room}/messages", {"body": {"text": "hi"}})
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    message = f"/rooms/{room}/messages/{mine['seq']}"
    await bob.refused("forbidden", "PATCH", message, {"body": {"text": "yours"}})
    await bob.refused("forbidden", "DELETE", message)
    await bob.refused("not_found", "PATCH", f"/rooms/{room}/messages/99", {"body": {"text": "t"}})
    await bob.refused("not_found", "PUT", f"/rooms/{room}/messages/1/reactions/x")


@pytest.mark.parametrize(
    "text",
    ["", "  \n\t ", "nul\x00", "bell\x07", "return\r\n", "delete\x7f", "next line\x85"],
)
async def test_a_text_that_nobody_could_read_is_refused(ann: Client, text: str) -> None:
    room = await a_channel(ann)
    error = await ann.refused("invalid", "POST", f"/rooms/{room}/messages", {"body": {"text": text}})
    assert error["field"] == "body.text"


async def test_half_a_surrogate_pair_is_refused(ann: Client) -> None:
    room = await a_channel(ann)
    raw = b'{"body": {"text": "\\ud800"}}'
    json = {"Content-Type": "application/json"}
    error = await ann.refused("invalid", "POST", f"/rooms/{room}/messages", data=raw, headers=json)
    assert "surrogate" in error["message"]


async def test_a_text_too_long_is_refused_and_the_longest_is_not(tmp_path: Path) -> None:
    async with running(tmp_path, max_message_chars=5) as service, client_of(service) as nobody:
        ann = await somebody(nobody)
        room = await a_channel(ann)
        sent = await ann.expect(201, "POST", f"/rooms/{room}/messages", {"body": {"text": "12345"}})
        longer = {"body": {"text": "123456"}}
        await ann.refused("too_large", "POST", f"/rooms/{room}/messages", longer)
        await ann.refused("too_large", "PATCH", f"/rooms/{room}/messages/{sent['seq']}", longer)


@pytest.mark.parametrize("emoji", ["a%20b", "%00", "x" * 33, "%0A"])
async def test_what_is_no_emoji_is_refused(ann: Client, emoji: str) -> None:
    room = await a_channel(ann)
    sent = await ann.expect(201, "POST", f"/rooms/{room}/messages", {"body": {"text": "t"}})
    reply = await ann.raw("PUT", f"/api/v1/rooms/{room}/messages/{sent['seq']}/reactions/{emoji}")
    assert reply.status == 400
    assert reply.body["error"]["field"] == "emoji"


@pytest.mark.parametrize("seq", ["0", "-1", "1.0", "1e3", "x", str(2**53), "9" * 400, "%D9%A1", "+1", "1_0"])
async def test_a_seq_is_a_positive_number(ann: Client, seq: str) -> None:
    room = await a_channel(ann)
    reply = await ann.raw("DELETE", f"/api/v1/rooms/{room}/messages/{seq}")
    assert reply.status in {400, 404}, reply.text
    assert reply.code in {"invalid", "not_found"}


async def test_writing_too_fast_is_told_when_to_go_on(tmp_path: Path) -> None:
    async with running(tmp_path, rate_send_per_user=Rate(1, 60, 3)) as service, client_of(service) as nobody:
        ann = await somebody(nobody)
        room = await a_channel(ann)
        for _ in range(2):
            await ann.expect(201, "POST", f"/rooms/{room}/messages", {"body": {"text": "t"}})
        error = await ann.refused("rate_limited", "POST", f"/rooms/{room}/messages", {"body": {"text": "t"}})
        assert error["retry_after_ms"] > 0
        await ann.expect(200, "GET", f"/rooms/{room}/messages")
