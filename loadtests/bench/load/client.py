"""A client: one Socket.IO connection over WebSocket, on a bare transport."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

import msgspec

from bench.load.frames import FrameSplitter, client_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bench.job import Job

CONNECTING_AT_ONCE = 64
PATIENCE_S = 30.0
"""How long a server may take for an answer before the job has failed."""

_UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Answer(msgspec.Struct):
    """What the load looks at in an acknowledgement; entries are left as they are."""

    ok: bool
    epoch: str = ""
    last_seq: int = 0
    last_id: str = ""
    more: bool = False
    entries: list[msgspec.Raw] = []
    reset: Any = None


_answers = msgspec.json.Decoder(list[Answer])


class Client(asyncio.Protocol):
    """Connects, calls events and awaits their acknowledgements, until `listen` hands its bytes to a load."""

    def __init__(self) -> None:
        self.lost: Callable[[], None] | None = None
        self._transport: asyncio.Transport | None = None
        self._take: Callable[[bytes], None] = self._upgraded
        self._head = b""
        self._splitter = FrameSplitter()
        self._next_call = 0
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}

    # -- what loads use -------------------------------------------------------------------------------

    @classmethod
    async def connect(cls, port: int, token: str) -> Client:
        """Open a connection and sign in to the namespace."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(cls, "127.0.0.1", port)
        await client.ask(_UPGRADE, b"0")
        await client.ask(client_frame(b'40/chat,{"token":"%b"}' % token.encode()), b"40/chat,")
        return client

    def ask(self, data: bytes, start: bytes) -> asyncio.Future[bytes]:
        """Send bytes, and give the message that begins with `start` once it comes."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[start] = future
        self.write(data)
        return future

    async def call(self, event: str, argument: dict[str, Any]) -> Answer:
        """Send an event and await its acknowledgement. RuntimeError where it is refused."""
        self._next_call += 1
        start = b"43/chat,%d[" % self._next_call
        sent = json.dumps([event, argument], separators=(",", ":"))
        frame = await self.ask(client_frame(b"42/chat,%d%b" % (self._next_call, sent.encode())), start)
        (told,) = _answers.decode(memoryview(frame)[len(start) - 1 :])
        if not told.ok:
            raise RuntimeError(f"{event} was refused: {frame[:300]!r}")
        return told

    def listen(self, take: Callable[[bytes], None]) -> None:
        """Hand every byte that arrives from now on to `take`, unparsed."""
        self._take = take

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self._transport is None:
            raise EOFError("the connection is gone")
        self._transport.write(data)

    def close(self) -> None:
        """Cut the connection."""
        self.lost = None
        if self._transport is not None:
            self._transport.abort()

    # -- called by the transport ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        self._take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits, and tell the load."""
        self._transport = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(exc or EOFError("the server closed the connection"))
        if self.lost is not None:
            self.lost()

    # -- while connecting and calling -----------------------------------------------------------------

    def _upgraded(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            return
        if b" 101 " not in head[:16]:
            self._fail(RuntimeError(f"no WebSocket: {self._head[:300]!r}"))
            return
        self._take = self._parse
        self._parse(rest)

    def _parse(self, data: bytes) -> None:
        try:
            for payload in self._splitter.feed(data):
                self._message(payload)
        except EOFError as error:
            self._fail(error)

    def _message(self, payload: bytes) -> None:
        if payload.startswith(b"44/chat,"):
            self._fail(RuntimeError(f"refused: {payload[:300]!r}"))
            return
        # An acknowledgement ends its number with "[": what comes before it is what is waited for.
        start = payload[: payload.find(b"[") + 1] if payload.startswith(b"43") else b""
        for awaited in (start, b"40/chat,", b"0"):
            if awaited and payload.startswith(awaited) and (future := self._waiting.pop(awaited, None)):
                if not future.done():
                    future.set_result(payload)
                return

    def _fail(self, error: Exception) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)


async def connect_all(job: Job, numbers: Iterable[int]) -> list[Client]:
    """Connect clients number so and so, some at a time."""
    gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def one(number: int) -> Client:
        async with gate, asyncio.timeout(PATIENCE_S):
            return await Client.connect(job.port, job.tokens[number % len(job.tokens)])

    return await asyncio.gather(*(one(number) for number in numbers))


async def open_rooms(job: Job, clients: list[Client]) -> None:
    """Have every client open its room, some at a time."""
    gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def one(number: int, client: Client) -> None:
        async with gate, asyncio.timeout(PATIENCE_S):
            await client.call("room:open", {"room": job.rooms[number % len(job.rooms)]})

    await asyncio.gather(*(one(number, client) for number, client in enumerate(clients)))
