"""The original client's flow by the official JavaScript client, several at once, on every transport."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from chat_node import ChatNode
from js_client import JavaScript, JsSocket, javascript

TRANSPORTS = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}


@pytest.fixture
async def js(js_clients: Path) -> AsyncIterator[JavaScript]:
    """The official client."""
    async with javascript(js_clients) as driver:
        yield driver


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_several_clients_join_two_rooms_talk_and_go(
    node: ChatNode, js: JavaScript, transports: list[str]
) -> None:
    names = ["Ann", "Bob", "Carol", "Dave"]
    rooms = {"Ann": "tea", "Bob": "tea", "Carol": "tea", "Dave": "coffee"}
    sockets = {name: js.socket(name, node.url, transports=transports, reconnection=False) for name in names}
    await asyncio.gather(*(socket.connected() for socket in sockets.values()))
    for name in names:
        sockets[name].emit("join-room", {"roomId": rooms[name], "username": name})
        told = await sockets[name].event("room-joined")
        assert (told["roomId"], told["userList"][-1]) == (rooms[name], name)
        assert told["userCount"] == len(told["userList"])
    assert [(await sockets["Ann"].event("user-joined"))["userList"] for _ in range(2)] == [
        ["Ann", "Bob"],
        ["Ann", "Bob", "Carol"],
    ]
    if len(transports) == 2:
        await asyncio.gather(*(socket.upgraded() for socket in sockets.values()))

    for name in names:
        sockets[name].emit("event:message", {"roomId": rooms[name], "username": name, "message": f"I am {name}"})
    for name in ("Ann", "Bob", "Carol"):
        heard = [json.loads(await sockets[name].event("message")) for _ in range(3)]
        assert sorted(message["name"] for message in heard) == ["Ann", "Bob", "Carol"]
        assert {message["roomId"] for message in heard} == {"tea"}
        assert all(message["message"] == f"I am {message['name']}" for message in heard)
    assert json.loads(await sockets["Dave"].event("message"))["message"] == "I am Dave"

    sockets["Carol"].close()
    assert await sockets["Carol"].disconnected() == "io client disconnect"
    for name in ("Ann", "Bob"):
        left = await sockets[name].event("user-left")
        assert left == {"username": "Carol", "userCount": 2, "userList": ["Ann", "Bob"]}
    assert sockets["Dave"].heard("user-left") == []


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_every_message_of_a_crowd_reaches_everybody_once_and_in_one_order(
    node: ChatNode, js: JavaScript, transports: list[str]
) -> None:
    sockets = [js.socket(str(number), node.url, transports=transports) for number in range(5)]
    for socket in sockets:
        await socket.connected()
        socket.emit("join-room", {"roomId": "crowd", "username": socket.name})
        await socket.event("room-joined")
    for number in range(20):
        for socket in sockets:
            socket.emit("event:message", {"roomId": "crowd", "username": socket.name, "message": str(number)})
    heard = [[json.loads(await socket.event("message")) for _ in range(100)] for socket in sockets]
    assert all(other == heard[0] for other in heard)
    for socket in sockets:
        own = [message["message"] for message in heard[0] if message["name"] == socket.name]
        assert own == [str(number) for number in range(20)]


async def test_who_loses_the_line_is_gone_from_the_list(node: ChatNode, js: JavaScript) -> None:
    def socket(name: str) -> JsSocket:
        return js.socket(name, node.url, transports=["websocket"], reconnectionDelay=20)

    ann, bob = socket("Ann"), socket("Bob")
    for one in (ann, bob):
        await one.connected()
        one.emit("join-room", {"roomId": "tea", "username": one.name})
        await one.event("room-joined")
    await ann.event("user-joined")
    bob.cut()
    assert await ann.event("user-left") == {"username": "Bob", "userCount": 1, "userList": ["Ann"]}
    await bob.disconnected()
    await bob.connected()
    bob.emit("join-room", {"roomId": "tea", "username": "Bob"})
    assert (await ann.event("user-joined"))["userList"] == ["Ann", "Bob"]
