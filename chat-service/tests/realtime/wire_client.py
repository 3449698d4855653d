"""A Socket.IO client near to the wire: it shows every packet, and does nothing that a test does not ask for."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

_PACKET = re.compile(
    r"(?P<kind>[0-6])(?P<namespace>/[^,\[{]*)?,?(?P<id>\d+)?(?P<data>[\[{].*)?", re.DOTALL | re.ASCII
)

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR = "01234"
PATIENCE_S = 10


class Closed(Exception):  # noqa: N818  # it is an outcome
    """The connection ended while an answer was waited for."""


class NotAdmitted(Exception):  # noqa: N818  # it is an answer
    """CONNECT_ERROR: `message` and `data` of it."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer["message"])
        self.message: str = answer["message"]
        self.data: Any = answer.get("data")


@dataclass(eq=False)
class Wire:
    """One WebSocket. `events` are those not yet taken by `next`, in the order received."""

    socket: aiohttp.ClientWebSocketResponse
    namespace: str = "/"
    id: str = ""
    events: list[tuple[str, Any]] = field(default_factory=list)
    answers: dict[str, list[Any]] = field(default_factory=dict)
    greeted: dict[str, tuple[str, Any]] = field(default_factory=dict)
    disconnected: bool = False
    ended: bool = False
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    # -- to the server --------------------------------------------------------------------------------

    async def send(self, packet: str | bytes) -> None:
        """Send an Engine.IO packet as it stands; nothing where the connection is over."""
        with suppress(ConnectionError, aiohttp.ClientError):
            if isinstance(packet, bytes):
                await self.socket.send_bytes(packet)
            else:
                await self.socket.send_str(packet)

    async def connect(self, namespace: str, auth: object = None) -> str:
        """Join a namespace; the id of the connection. NotAdmitted where the server says no."""
        self.namespace = namespace
        await self.send(f"40{self._space}" + ("" if auth is None else json.dumps(auth)))
        await self.until(lambda: namespace in self.greeted)
        kind, answer = self.greeted.pop(namespace)
        if kind == CONNECT_ERROR:
            raise NotAdmitted(answer)
        self.id = str(answer["sid"])
        return self.id

    async def ask(self, event: str, *args: object) -> Any:
        """Send an event and return what acknowledges it. Closed where the connection ends instead."""
        return await self.answer_to(await self.post(event, *args))

    async def answer_to(self, number: str) -> Any:
        """Wait for the acknowledgement with this number and return its one argument."""
        await self.until(lambda: number in self.answers)
        (answer,) = self.answers[number]
        return answer

    async def done(self, event: str, /, **fields: object) -> dict[str, Any]:
        """Send an event that must succeed; the rest of its acknowledgement."""
        answer = await self.ask(event, fields)
        assert answer.pop("ok") is True, answer
        return dict(answer)

    async def refused(self, code: str, event: str, /, **fields: object) -> dict[str, Any]:
        """Send an event that must be refused with this code; the error."""
        answer = await self.ask(event, fields)
        assert answer["ok"] is False, answer
        assert answer["error"]["code"] == code, answer
        return dict(answer["error"])

    async def post(self, event: str, *args: object) -> str:
        """Send an event and return the number of its acknowledgement, without waiting for it."""
        number = str(next(self._numbers))
        await self.send(f"42{self._space}{number}{json.dumps([event, *args])}")
        return number

    async def tell(self, event: str, *args: object) -> None:
        """Send an event that asks for no acknowledgement."""
        await self.send(f"42{self._space}{json.dumps([event, *args])}")

    async def leave(self) -> None:
        """Close the connection."""
        await self.socket.close()

    # -- from the server ------------------------------------------------------------------------------

    async def next(self, name: str) -> Any:
        """Take the first event of that name out of `events`, waiting for it where there is none yet."""
        await self.until(lambda: any(heard == name for heard, _ in self.events))
        position = next(at for at, (heard, _) in enumerate(self.events) if heard == name)
        return self.events.pop(position)[1]

    async def entries(self, count: int) -> list[dict[str, Any]]:
        """Take the next `count` entries."""
        return [await self.next("entry") for _ in range(count)]

    def heard(self, name: str) -> list[Any]:
        """The events of that name that have arrived and were not taken."""
        return [argument for heard, argument in self.events if heard == name]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is true of what has arrived."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            while not condition():
                if self.ended:
                    raise Closed(f"the server closed with {self.socket.close_code}")
                await self._changed.wait()

    async def over(self) -> int | None:
        """Wait for the end of the connection; the close code."""
        with suppress(Closed):
            await self.until(lambda: False)
        return self.socket.close_code

    async def listen(self) -> None:
        """Take what arrives until the end."""
        async for message in self.socket:
            if isinstance(message.data, str):
                await self._take(message.data)
            async with self._changed:
                self._changed.notify_all()
        self.ended = True
        async with self._changed:
            self._changed.notify_all()

    @property
    def _space(self) -> str:
        return "" if self.namespace == "/" else f"{self.namespace},"

    async def _take(self, frame: str) -> None:
        if frame == "2":
            await self.send("3")
        if frame[0] != "4":
            return
        packet = _PACKET.fullmatch(frame[1:])
        assert packet is not None, f"not a Socket.IO packet: {frame[:200]}"
        kind, namespace = packet["kind"], packet["namespace"] or "/"
        data = json.loads(packet["data"]) if packet["data"] else None
        if kind in {CONNECT, CONNECT_ERROR}:
            self.greeted[namespace] = (kind, data)
        elif kind == DISCONNECT:
            self.disconnected = True
        elif kind == EVENT:
            name, *arguments = data
            assert len(arguments) == 1, f"every event has one argument: {frame[:200]}"
            self.events.append((name, arguments[0]))
        else:
            assert kind == ACK, frame[:200]
            assert packet["id"] not in self.answers, f"acknowledged twice: {frame[:200]}"
            self.answers[packet["id"]] = data


@asynccontextmanager
async def wired(http: aiohttp.ClientSession, url: str) -> AsyncIterator[Wire]:
    """Open a WebSocket to a server."""
    address = url.replace("http", "ws", 1) + "/socket.io/"
    query = {"EIO": "4", "transport": "websocket"}
    patience = aiohttp.ClientWSTimeout(ws_close=0.5)
    async with http.ws_connect(address, params=query, max_msg_size=0, timeout=patience) as socket:
        client = Wire(socket)
        listening = asyncio.create_task(client.listen())
        yield client
        await socket.close()
        await listening
