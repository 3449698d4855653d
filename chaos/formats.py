"""What a version leaves behind and says, recorded for the ones after it: `python -m chaos.formats` (at a release).

In `fixtures/VERSION`: the embedded store as SQL, a conversation of a client with its answers, one frame of every
message between nodes, and entries as they stand in MongoDB. The tests hold today's code to those of every version.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import types
import typing
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from chaos.clients import wire
from chaos.clients.websocket import WebSocket
from chaos.faults.restore import DATABASE
from chaos.servers.node import Node, NodePlan
from chaos.servers.process import HOST
from chat_service import bus
from chat_service.bus import frames
from chat_service.log import mongo_documents
from chat_service.log.sqlite import SqliteRoomLog
from chat_service.storage.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FIXTURES = Path(__file__).parent / "fixtures"
ACCOUNT = {"username": "ada", "password": "a password of the fixtures"}
SENDER = b"fixtures"
Said = tuple[str, dict[str, Any]]


@asynccontextmanager
async def serving(folder: Path, sql: str = "") -> AsyncIterator[Node]:
    """A node on the embedded store, made of SQL where some is given."""
    node = Node("node-0", folder, NodePlan())
    node.data_dir.mkdir(parents=True)
    if sql:
        database = sqlite3.connect(node.data_dir / DATABASE)
        database.executescript(sql)
        database.close()
    node.start()
    try:
        await node.ready()
        yield node
    finally:
        await node.process.end()


async def sign_in(node: Node, path: str = "/auth/sign-in") -> str:
    """An access token of the one account there is, or with `/auth/register` is made."""
    return str((await ask(node, "POST", path, "", ACCOUNT))["access_token"])


async def ask(node: Node, method: str, path: str, token: str, body: object = None) -> Any:
    """A REST request that has to succeed."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as http:
        url = f"{node.url}/api/v1{path}"
        async with http.request(method, url, json=body, headers=headers, raise_for_status=True) as answer:
            return await answer.json()


async def converse(node: Node, token: str, said: list[Said]) -> list[Any]:
    """Say something over a socket, one event after the other; return the answers as they came."""
    packets: asyncio.Queue[bytes] = asyncio.Queue()
    websocket = WebSocket(HOST, node.port, packets.put_nowait, lambda why: packets.put_nowait(why.encode()))
    await websocket.connect()

    async def hear(start: bytes) -> bytes:
        async with asyncio.timeout(20):
            while not (packet := await packets.get()).startswith(start):
                continue
            return packet[len(start) :]

    await hear(b"0")
    websocket.send(b"40/chat," + wire.encode({"token": token}))
    await hear(b"40/chat,")
    answers = []
    for number, (event, payload) in enumerate(said):
        websocket.send(wire.request(number, event, payload))
        answers += msgspec.json.decode(await hear(b"43/chat,%d" % number))
    websocket.cut("said everything")
    return answers


def writes(room: str) -> list[Said]:
    """Something of every kind; the room's first entry is its creation."""

    def said(event: str, key: str, **more: Any) -> Said:
        return event, {"room": room, "key": key, **more}

    return [
        said("message:send", "k1", body={"text": "tea?"}),
        said("message:send", "k2", body={"text": "yes, @ada"}, reply_to=2),
        said("message:send", "k3", body={"text": "in a thread"}, thread=2),
        said("message:edit", "k4", target=2, body={"text": "green tea?"}),
        said("reaction:set", "k5", target=3, emoji="👍", on=True),
        said("pin:set", "k6", target=3, on=True),
        said("message:send", "k7", body={"text": "gone soon"}),
        said("message:delete", "k8", target=8),
        ("read:mark", {"room": room, "seq": 3}),
    ]


def readings(room: str, held: dict[str, Any]) -> list[Said]:
    """A resume from the first entry, one from what is held, and pages of history."""
    return [
        ("room:open", {"room": room, "after": 0}),
        ("room:open", {"room": room, **held}),
        ("room:history", {"room": room, "before": 9, "limit": 5, "changes": True}),
    ]


async def record(folder: Path) -> None:
    """Write the fixtures of this version into a folder that is there."""
    with tempfile.TemporaryDirectory() as place:
        async with serving(Path(place) / "node") as node:
            token = await sign_in(node, "/auth/register")
            room = (await ask(node, "POST", "/rooms", token, {"name": "tea"}))["room"]
            opened = (await converse(node, token, [*writes(room), readings(room, {})[0]]))[-1]
            third = opened["entries"][2]
            held = {"after": third["seq"], "after_id": third["id"], "epoch": opened["epoch"]}
            said = [*writes(room), *readings(room, held)]
            # Everything once more: what every later version has to answer to a client that repeats it.
            answers = await converse(node, token, said)
        database = sqlite3.connect(node.data_dir / DATABASE)
        (folder / "store.sql").write_text("\n".join(database.iterdump()) + "\n")
        database.close()
        documents = await _documents(node.data_dir / DATABASE, room)
    _write(folder / "conversation.json", [{"said": s, "answer": a} for s, a in zip(said, answers, strict=True)])
    _write(folder / "documents.json", documents)
    _write(folder / "frames.json", {kind.__name__: frame_of(kind).hex() for kind in typing.get_args(bus.Message)})


async def _documents(database: Path, room: str) -> list[dict[str, Any]]:
    store = SqliteStore(database)
    await store.open(exclusive=False)
    try:
        entries = await SqliteRoomLog(store).read(room, 0, 100)
    finally:
        await store.close()
    return [{"entry": msgspec.to_builtins(one), "document": mongo_documents.document_of(one)} for one in entries]


def _write(file: Path, content: object) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")


def frame_of(kind: type[Any]) -> bytes:
    """The frame of an example of a message between nodes."""
    return frames.encode(SENDER, _example(kind))


def _example(kind: Any) -> Any:
    """A value of a type, the same every time."""
    plain: dict[Any, Any] = {str: "text", int: 7, bytes: b"bytes", bool: True, float: 1.5}
    if kind in plain:
        return plain[kind]
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return (_example(parts[0]),)
    if origin is dict:
        return {_example(parts[0]): _example(parts[1])}
    if origin in {typing.Union, types.UnionType}:
        return _example(parts[0])
    return kind(**{field.name: _example(field.type) for field in msgspec.structs.fields(kind)})


if __name__ == "__main__":
    recorded = FIXTURES / version("chat-service")
    recorded.mkdir(parents=True, exist_ok=True)
    asyncio.run(record(recorded))
