"""Clients of the tests, near to the wire: nothing is done for them that a test does not see."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

SEPARATOR = "\x1e"


@dataclass
class Http:
    """Requests of Engine.IO's HTTP transport."""

    session: aiohttp.ClientSession

    async def open(self, url: str, **query: str) -> str:
        """Open a polling session and return its id."""
        status, body = await self.get(url, EIO="4", transport="polling", **query)
        assert status == 200, body
        return str(json.loads(body[1:])["sid"])

    async def get(self, url: str, **query: str) -> tuple[int, str]:
        """Send a GET, return its status and text."""
        async with self.session.get(url, params=query) as response:
            return response.status, await response.text()

    async def poll(self, url: str, sid: str) -> tuple[int, str]:
        """Poll once."""
        return await self.get(url, EIO="4", transport="polling", sid=sid)

    async def packets(self, url: str, sid: str) -> list[str]:
        """Poll once and return the packets."""
        status, body = await self.poll(url, sid)
        assert status == 200, body
        return body.split(SEPARATOR)

    async def post(self, url: str, sid: str, body: str | bytes) -> tuple[int, str]:
        """Post a payload."""
        query = {"EIO": "4", "transport": "polling", "sid": sid}
        async with self.session.post(url, params=query, data=body) as response:
            return response.status, await response.text()

    @asynccontextmanager
    async def websocket(self, url: str, sid: str | None = None) -> AsyncIterator[WebSocketClient]:
        """Open a WebSocket, of a new session or for one that polls."""
        query = {"EIO": "4", "transport": "websocket"} | ({"sid": sid} if sid else {})
        async with self.session.ws_connect(
            url, params=query, max_msg_size=0, timeout=aiohttp.ClientWSTimeout(ws_close=0.5)
        ) as socket:
            yield WebSocketClient(socket)


@dataclass
class WebSocketClient:
    """One WebSocket connection."""

    socket: aiohttp.ClientWebSocketResponse

    async def send(self, *packets: str | bytes) -> None:
        """Send packets."""
        for packet in packets:
            if isinstance(packet, bytes):
                await self.socket.send_bytes(packet)
            else:
                await self.socket.send_str(packet)

    async def receive(self) -> Any:
        """Return the next message, None when the connection is closed."""
        message = await self.socket.receive(timeout=5)
        return message.data if message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY} else None

    async def closed(self) -> int | None:
        """Read to the end and return the close code."""
        while await self.receive() is not None:
            pass
        return self.socket.close_code

    async def connect(self, namespace: str = "/", auth: object = None) -> str:
        """Connect to a namespace, on a socket that has not received anything but what opens it."""
        space = "" if namespace == "/" else f"{namespace},"
        await self.send(f"40{space}" + ("" if auth is None else json.dumps(auth)))
        answer = await self.receive()
        assert answer.startswith(f"40{space}"), answer
        return str(json.loads(answer[2 + len(space) :])["sid"])


@asynccontextmanager
async def raw_websocket(
    port: int, path: str, sid: str | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a WebSocket on a bare TCP connection, to send frames that no library would."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    key = base64.b64encode(os.urandom(16)).decode()
    query = "EIO=4&transport=websocket" + (f"&sid={sid}" if sid else "")
    writer.write(
        f"GET /{path}/?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101"), head
    assert b"permessage-deflate" not in head
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def frame(opcode: int, payload: bytes, *, final: bool = True, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    """Return a frame as a client sends it."""
    length = len(payload)
    if length < 126:
        size = bytes([0x80 | length])
    elif length < 65_536:
        size = bytes([0x80 | 126]) + length.to_bytes(2)
    else:
        size = bytes([0x80 | 127]) + length.to_bytes(8)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([(0x80 if final else 0) | opcode]) + size + mask + masked


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one frame of the server."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2))
    elif length == 127:
        length = int.from_bytes(await reader.readexactly(8))
    return first & 0x0F, await reader.readexactly(length)


async def read_to_close(reader: asyncio.StreamReader) -> int | None:
    """Read to the end of the connection; return the close frame's code, None where there was none."""
    code = None
    try:
        while True:
            opcode, payload = await asyncio.wait_for(read_frame(reader), 5)
            if opcode == 8:
                code = int.from_bytes(payload[:2]) if payload else 1005
    except (asyncio.IncompleteReadError, ConnectionError):
        return code


async def until(condition: Callable[[], object], seconds: float = 5) -> None:
    """Wait until `condition` is true."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # any condition, also one that tells nobody of itself
            await asyncio.sleep(0.005)


async def together(*work: Awaitable[Any]) -> list[Any]:
    """Await several at once, and fail on the first that fails."""
    return list(await asyncio.gather(*work))
