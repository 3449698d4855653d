"""Protocol v1: who is let in, for how long, and what ends a connection."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from chat_node import HERE, ChatNode, Person, nothing_is_left, running
from wire_client import NotAdmitted, Wire

from chat_service.directory.people import User


async def refused(node: ChatNode, auth: object) -> dict[str, Any]:
    """Connect and be refused; the error that came as data."""
    client = await node.wire()
    with pytest.raises(NotAdmitted) as refusal:
        await client.connect("/chat", auth)
    error: dict[str, Any] = refusal.value.data
    assert refusal.value.message == error["message"]
    return error


async def another_session(node: ChatNode, handle: str) -> Person:
    """Sign somebody in once more."""
    tokens = await node.heart.identity.accounts.sign_in(handle, "correct horse battery", HERE)
    return Person(tokens.principal.user, tokens)


def issue(node: ChatNode, person: Person, *, ttl_s: float) -> str:
    """An access token of this session that is good for other than the usual time."""
    access = node.heart.identity.sessions._access_tokens
    usual, access._ttl_s = access._ttl_s, ttl_s
    try:
        user = User(id=person.id, handle="ann", name="Ann", guest=False, admin=False, active=True, created=0)
        return access.issue(user, person.tokens.principal.session)[0]
    finally:
        access._ttl_s = usual


# -- being let in -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        (None, "invalid"),
        ({}, "invalid"),
        ({"token": 7}, "invalid"),
        ({"token": None}, "invalid"),
        ({"tokne": "x"}, "invalid"),
        ({"token": ""}, "unauthenticated"),
        ({"token": "not a token"}, "unauthenticated"),
        ({"token": "a.b.c"}, "unauthenticated"),
        ({"token": "x" * 5000}, "unauthenticated"),
        ({"token": "\u0000🎈"}, "unauthenticated"),
    ],
    ids=str,
)
async def test_nobody_is_let_in_without_a_token(node: ChatNode, auth: object, code: str) -> None:
    error = await refused(node, auth)
    assert (error["code"], error["retryable"]) == (code, False)
    assert node.left_behind().keys() <= {"sessions"}


async def test_a_token_that_has_expired_is_refused(node: ChatNode) -> None:
    ann = await node.person("ann")
    error = await refused(node, {"token": issue(node, ann, ttl_s=-6)})
    assert error["code"] == "unauthenticated"
    assert "expired" in error["message"]


async def test_a_token_of_an_ended_session_is_refused(node: ChatNode) -> None:
    ann = await node.person("ann")
    await node.heart.identity.sessions.sign_out(ann.tokens.principal)
    error = await refused(node, ann.auth)
    assert (error["code"], error["message"]) == ("unauthenticated", "This session has ended. Sign in again.")


async def test_after_a_refusal_the_same_session_may_try_again(node: ChatNode) -> None:
    client = await node.wire()
    with pytest.raises(NotAdmitted):
        await client.connect("/chat", {"token": "old"})
    await client.connect("/chat", (await node.person("ann")).auth)
    await client.done("room:close", room=await node.channel("ann"))


async def test_an_unknown_namespace_is_not_there(node: ChatNode) -> None:
    client = await node.wire()
    with pytest.raises(NotAdmitted, match="Invalid namespace"):
        await client.connect("/admin", (await node.person("ann")).auth)


async def test_one_person_has_at_most_so_many_connections(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections_per_user=2) as node:
        first, _ = await node.connect("ann"), await node.connect("ann")
        error = await refused(node, node.people["ann"].auth)
        assert (error["code"], error["retry_after_ms"]) == ("rate_limited", 10_000)
        await node.connect("bob")
        await first.leave()
        await node.connect("ann")


# -- renewing -----------------------------------------------------------------------------------------


async def test_a_live_connection_is_renewed_by_a_newer_token_of_the_same_person(node: ChatNode) -> None:
    ann = await node.person("ann")
    client = await node.connect("ann")
    newer = issue(node, ann, ttl_s=1800)
    answer = await client.done("auth:refresh", token=newer)
    assert answer["expires"] > ann.tokens.access_expires
    other = await another_session(node, "ann")
    await client.done("auth:refresh", token=other.token)


async def test_a_token_of_somebody_else_or_garbage_renews_nothing(node: ChatNode) -> None:
    client = await node.connect("ann")
    bob = await node.person("bob")
    await client.refused("forbidden", "auth:refresh", token=bob.token)
    for garbage in ("", "garbage", "x" * 5000):
        await client.refused("unauthenticated", "auth:refresh", token=garbage)
    await client.refused("invalid", "auth:refresh", token=7)
    room = await node.channel("ann")
    await client.done("message:send", room=room, key="k", body={"text": "still ann"})
    assert node.parts.chat._participants.keys() == node.parts.sockets.manager.connections.keys()


# -- ending -------------------------------------------------------------------------------------------


async def test_a_connection_is_warned_when_its_token_ends_and_closed_a_minute_later(node: ChatNode) -> None:
    ann = await node.connect("ann")
    chat = node.parts.chat
    ends = node.people["ann"].tokens.access_expires
    chat._clock = lambda: ends + 1.5
    chat.close_expired()
    chat.close_expired()
    assert await ann.next("notice") == {"kind": "token_expired", "close_in_ms": 58_500}
    await ann.done("room:close", room=await node.channel("ann"))
    assert ann.heard("notice") == [], "one warning is enough"
    chat._clock = lambda: ends + 60
    chat.close_expired()
    await ann.over()
    assert ann.disconnected is False, "the transport goes, so that the official client comes back by itself"


async def test_a_renewed_connection_is_not_closed_when_its_first_token_ends(node: ChatNode) -> None:
    ann = await node.connect("ann")
    chat = node.parts.chat
    first_ends = node.people["ann"].tokens.access_expires
    chat._clock = lambda: first_ends + 1.0
    chat.close_expired()
    await ann.next("notice")
    await ann.done("auth:refresh", token=issue(node, node.people["ann"], ttl_s=1800))
    chat._clock = lambda: first_ends + 61.0
    chat.close_expired()
    await ann.done("room:close", room=await node.channel("ann"))
    assert ann.heard("notice") == []


async def disconnected(client: Wire) -> None:
    """Wait for the notice and the packet that tell the official client not to come back."""
    assert await client.next("notice") == {"kind": "revoked"}
    await client.until(lambda: client.disconnected)


async def test_signing_out_ends_the_connections_of_that_session_and_of_no_other(node: ChatNode) -> None:
    room = await node.channel("ann")
    ann = await node.person("ann")
    phone, tab = await node.connect("ann"), await node.connect("ann")
    laptop = await node.connect(await another_session(node, "ann"))
    await node.heart.identity.sessions.sign_out(ann.tokens.principal)
    await disconnected(phone)
    await disconnected(tab)
    await laptop.done("message:send", room=room, key="k", body={"text": "still here"})


async def test_a_revocation_by_another_process_is_found_within_seconds(node: ChatNode) -> None:
    ann = await node.connect("ann")
    people = node.heart.identity.sessions._people
    began = time.monotonic()
    await people.end_session(node.people["ann"].tokens.principal.session, int(time.time()))
    await disconnected(ann)
    assert time.monotonic() - began < 5, "DESIGN: within 5 s"


async def test_a_deactivated_account_is_out_everywhere(node: ChatNode) -> None:
    ann, other = await node.connect("ann"), await node.connect(await another_session(node, "ann"))
    await node.heart.identity.accounts.set_active(node.people["ann"].id, active=False)
    await disconnected(ann)
    await disconnected(other)
    assert (await refused(node, node.people["ann"].auth))["code"] == "unauthenticated"


async def test_a_session_that_ends_while_it_connects_is_not_let_in(
    node: ChatNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: the token was looked at, then the rooms of the person were read. A revocation between the
    two found no connection to end, and the socket lived on until the token expired.
    """
    ann = await node.person("ann")
    read = node.rooms._directory.rooms_of

    async def slowly(user: str) -> object:
        rows = await read(user)
        await node.heart.identity.sessions.sign_out(ann.tokens.principal)
        return rows

    monkeypatch.setattr(node.rooms._directory, "rooms_of", slowly)
    assert (await refused(node, ann.auth))["code"] == "unauthenticated"
    assert node.left_behind().keys() <= {"sessions"}


async def test_a_client_that_goes_while_it_connects_leaves_nothing(
    node: ChatNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.channel("ann")
    reading = asyncio.Event()

    async def never(_user: str) -> object:
        reading.set()
        return await asyncio.Event().wait()

    monkeypatch.setattr(node.rooms._directory, "rooms_of", never)
    client = await node.wire()
    await client.send(f'40/chat,{{"token":"{node.people["ann"].token}"}}')
    await reading.wait()
    assert node.parts.chat._per_user
    await client.leave()
    await nothing_is_left(node)
