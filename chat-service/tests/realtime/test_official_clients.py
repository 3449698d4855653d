"""Protocol v1 by the official JavaScript client and by python-socketio's, on every transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import socketio
from chat_node import ChatNode, running
from js_client import JavaScript, JsSocket, javascript
from severable_line import Line, line_to

TRANSPORTS = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ChatNode]:
    """A node that soon finds out that a polling client has gone without a word."""
    async with running(tmp_path, ping_interval_ms=1000, ping_timeout_ms=1000) as started:
        yield started


@pytest.fixture
async def js(js_clients: Path) -> AsyncIterator[JavaScript]:
    """The official client."""
    async with javascript(js_clients) as driver:
        yield driver


@pytest.fixture
async def line(node: ChatNode) -> AsyncIterator[Line]:
    """A line to the node that can be cut."""
    async with line_to(node.lifecycle.port) as laid:
        yield laid


@pytest.fixture
async def room(node: ChatNode) -> str:
    """A private channel of ann and bob."""
    return await node.channel("ann", "bob")


async def joined(js: JavaScript, node: ChatNode, who: str, url: str, transports: list[str]) -> JsSocket:
    """A socket of the official client, signed in."""
    person = await node.person(who)
    return js.socket(who, f"{url}/chat", transports=transports, auth=person.auth, reconnectionDelay=20)


async def send(socket: JsSocket, room: str, key: str, text: str) -> Any:
    """Send a message and return its acknowledgement."""
    return await socket.ask("message:send", {"room": room, "key": key, "body": {"text": text}})


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_two_official_clients_chat(node: ChatNode, js: JavaScript, room: str, transports: list[str]) -> None:
    ann = await joined(js, node, "ann", node.url, transports)
    bob = await joined(js, node, "bob", node.url, transports)
    for socket in (ann, bob):
        assert await socket.connected() in transports
        opening = await socket.ask("room:open", {"room": room})
        assert (opening["ok"], opening["last_seq"], opening["more"]) == (True, 2, False)
    assert (await ann.event("presence"))["user"] == node.people["bob"].id
    first = await send(ann, room, "1", "tea? 🍵")
    second = await send(bob, room, "1", "yes, please")
    if len(transports) == 2:
        await asyncio.gather(ann.upgraded(), bob.upgraded())
    third = await send(ann, room, "2", "on its way")
    assert [ack["seq"] for ack in (first, second, third)] == [3, 4, 5]
    for socket in (ann, bob):
        texts = [(await socket.event("entry"))["body"]["text"] for _ in range(3)]
        assert texts == ["tea? 🍵", "yes, please", "on its way"]
    refused = await ann.ask("message:edit", {"room": room, "key": "3", "target": 4, "body": {"text": "no"}})
    assert refused["error"]["code"] == "forbidden"


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_who_is_cut_off_comes_back_and_resumes(
    node: ChatNode, js: JavaScript, line: Line, room: str, transports: list[str]
) -> None:
    ann = await joined(js, node, "ann", line.url, transports)
    await ann.connected()
    opening = await ann.ask("room:open", {"room": room})
    if len(transports) == 2:
        await ann.upgraded()
    line.dead = True
    line.cut()
    await ann.disconnected()
    await node.say("bob", room, *(f"missed {number}" for number in range(5)))
    line.dead = False
    await ann.connected()
    held = {"after": opening["last_seq"], "after_id": opening["last_id"], "epoch": opening["epoch"]}
    resumed = await ann.ask("room:open", {"room": room, **held})
    assert resumed["reset"] is None
    assert [entry["body"]["text"] for entry in resumed["entries"]] == [f"missed {n}" for n in range(5)]
    await node.say("bob", room, "live again")
    assert (await ann.event("entry"))["seq"] == resumed["last_seq"] + 1


async def test_a_message_sent_into_a_dead_line_is_stored_once_however_often_it_is_sent(
    node: ChatNode, js: JavaScript, line: Line, room: str
) -> None:
    ann = await joined(js, node, "ann", line.url, ["websocket"])
    await ann.connected()
    await ann.ask("room:open", {"room": room})
    message = {"room": room, "key": "the-same", "body": {"text": "hello"}}
    for attempt in range(10):
        waiting = ann.post("message:send", message, timeout_ms=400)
        if attempt < 3:
            # Stored or not when the line goes: the client cannot know, and does the same in both cases.
            await asyncio.sleep(0.005 * attempt)
            line.cut()
        answer = await ann.answer_to(waiting)
        if attempt >= 3 and answer.get("ok"):
            break
    assert answer["seq"] == 3
    assert [message["body"]["text"] for message in await node.truth("ann", room)] == ["hello"]


async def test_an_engine_that_closes_is_come_back_from(node: ChatNode, js: JavaScript, room: str) -> None:
    ann = await joined(js, node, "ann", node.url, ["websocket"])
    await ann.connected()
    ann.cut()
    await ann.disconnected()
    await ann.connected()
    assert (await ann.ask("room:open", {"room": room, "after": 1}))["entries"][0]["kind"] == "join"


async def test_a_refused_token_is_an_error_with_a_code(node: ChatNode, js: JavaScript) -> None:
    socket = js.socket("nobody", f"{node.url}/chat", auth={"token": "garbage"})
    message, data = await socket.next("connect_error")
    assert (message, data["code"]) == (data["message"], "unauthenticated")


async def test_a_revoked_client_does_not_come_back_by_itself(node: ChatNode, js: JavaScript) -> None:
    ann = await joined(js, node, "ann", node.url, ["websocket"])
    await ann.connected()
    await node.heart.identity.sessions.sign_out(node.people["ann"].tokens.principal)
    assert await ann.event("notice") == {"kind": "revoked"}
    assert await ann.disconnected() == "io server disconnect"


async def test_a_client_whose_token_ran_out_comes_back_and_is_told_why(node: ChatNode, js: JavaScript) -> None:
    ann = await joined(js, node, "ann", node.url, ["websocket"])
    await ann.connected()
    chat = node.parts.chat
    ends = node.people["ann"].tokens.access_expires
    chat._clock = lambda: ends + 60
    chat.close_expired()
    assert await ann.disconnected() == "transport close"
    assert await ann.connected() == "websocket", "its token is still good by the real clock"


# -- python-socketio ----------------------------------------------------------------------------------


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_python_clients_chat_and_resume(node: ChatNode, room: str, transports: list[str]) -> None:
    heard: asyncio.Queue[Any] = asyncio.Queue()
    ann = socketio.AsyncClient(reconnection=False)
    ann.on("entry", heard.put, namespace="/chat")
    auth = (await node.person("ann")).auth
    await ann.connect(node.url, auth=auth, namespaces=["/chat"], transports=transports)
    try:
        opening = await ann.call("room:open", {"room": room}, namespace="/chat")
        message = {"room": room, "key": "1", "body": {"text": "hello"}}
        assert (await ann.call("message:send", message, namespace="/chat"))["seq"] == 3
        assert (await heard.get())["body"] == {"text": "hello"}
    finally:
        await ann.disconnect()
    await node.say("bob", room, "missed")
    again = socketio.AsyncClient(reconnection=False)
    await again.connect(node.url, auth=auth, namespaces=["/chat"], transports=transports)
    try:
        held = {"after": opening["last_seq"], "after_id": opening["last_id"], "epoch": opening["epoch"]}
        resumed = await again.call("room:open", {"room": room, **held}, namespace="/chat")
        assert [entry["body"]["text"] for entry in resumed["entries"]] == ["hello", "missed"]
    finally:
        await again.disconnect()


async def test_a_python_client_is_told_why_it_is_not_let_in(node: ChatNode) -> None:
    refusals: list[Any] = []
    client = socketio.AsyncClient(reconnection=False)
    client.on("connect_error", refusals.append, namespace="/chat")
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(node.url, auth={"token": "garbage"}, namespaces=["/chat"])
    assert [refusal["data"]["code"] for refusal in refusals] == ["unauthenticated"]


async def test_somebody_signs_in_over_rest_and_chats(node: ChatNode, js: JavaScript) -> None:
    body = {"username": "dora", "password": "correct horse battery", "name": "Dora"}
    async with node.http.post(f"{node.url}/api/v1/auth/register", json=body) as answer:
        signed_in = await answer.json()
        assert answer.status == 201, signed_in
    bearer = {"Authorization": f"Bearer {signed_in['access_token']}"}
    made = {"name": "dora's", "visibility": "public"}
    async with node.http.post(f"{node.url}/api/v1/rooms", json=made, headers=bearer) as answer:
        room = (await answer.json())["room"]
    dora = js.socket("dora", f"{node.url}/chat", auth={"token": signed_in["access_token"]})
    await dora.connected()
    assert (await dora.ask("room:open", {"room": room}))["role"] == "owner"
    sent = {"body": {"text": "over REST"}}
    async with node.http.post(f"{node.url}/api/v1/rooms/{room}/messages", json=sent, headers=bearer) as answer:
        assert answer.status == 201
    assert (await dora.event("entry"))["body"] == {"text": "over REST"}
