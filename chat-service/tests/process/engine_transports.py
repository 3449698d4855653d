"""Engine.IO as a client speaks it, over a WebSocket or by long-polling, down to cutting the TCP connection."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence
from typing import Protocol, Self

import aiohttp

_SEPARATOR = "\x1e"
_MOST_IN_A_POST = 30_000  # characters: also four bytes of each stay below the smallest CHAT_MAX_FRAME_BYTES used
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class LostError(Exception):
    """The connection is over, or was never made."""


class HandshakeRefusedError(LostError):
    """The server would not open a session: its HTTP status, and after how long to ask again."""

    def __init__(self, status: int, retry_after: str | None) -> None:
        super().__init__(f"handshake refused: {status}, Retry-After {retry_after}")
        self.status = status
        self.retry_after = retry_after


class Transport(Protocol):
    """One Engine.IO session. Packets are text with their type in front, as in `4…` for a message."""

    async def send(self, packets: Sequence[str]) -> None:
        """Send packets, in order. Raises LostError."""
        ...

    async def receive(self) -> Sequence[str]:
        """The next packets; waits for at least one. Raises LostError."""
        ...

    async def cut(self) -> None:
        """End the TCP connections with a reset: nothing is said, what was not read is lost."""
        ...

    async def close(self) -> None:
        """End it politely."""
        ...


class WebSocketTransport:
    """A session that begins on a WebSocket. A TCP connection is never shared: cutting it cuts nobody else."""

    def __init__(self, http: aiohttp.ClientSession, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._http = http
        self._ws = ws

    @classmethod
    async def open(cls, url: str, *, receive_buffer: int = 0) -> Self:
        """Open one. `receive_buffer` bounds what the kernel takes for a client that does not read."""

        def small(found: aiohttp.AddrInfoType) -> socket.socket:
            made = socket.socket(found[0], found[1], found[2])
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            return made

        http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=small if receive_buffer else None)
        )
        try:
            ws = await http.ws_connect(
                f"{url}/socket.io/?EIO=4&transport=websocket",
                max_msg_size=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )
        except aiohttp.WSServerHandshakeError as refusal:
            await http.close()
            retry_after = refusal.headers.get("Retry-After") if refusal.headers else None
            raise HandshakeRefusedError(refusal.status, retry_after) from refusal
        except (aiohttp.ClientError, OSError) as problem:
            await http.close()
            raise LostError(str(problem)) from problem
        except BaseException:
            await http.close()
            raise
        return cls(http, ws)

    async def send(self, packets: Sequence[str]) -> None:
        """See Transport."""
        try:
            for packet in packets:
                await self._ws.send_str(packet)
        except (aiohttp.ClientError, OSError) as problem:
            raise LostError(str(problem)) from problem

    async def receive(self) -> Sequence[str]:
        """See Transport."""
        message = await self._ws.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            return (message.data,)
        raise LostError(f"closed with {self._ws.close_code}")

    async def cut(self) -> None:
        """See Transport."""
        made = self._ws.get_extra_info("socket")
        if made is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        await self._http.close()

    async def close(self) -> None:
        """See Transport."""
        await self._ws.close()
        await self._http.close()


class PollingTransport:
    """A session that never leaves long-polling."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self._opening: tuple[str, ...] = ()

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open one."""
        http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        transport = cls(http, f"{url}/socket.io/?EIO=4&transport=polling")
        try:
            await transport._handshake()
        except BaseException:
            await http.close()
            raise
        return transport

    async def _handshake(self) -> None:
        try:
            async with self._http.get(self._url) as answer:
                if answer.status != 200:
                    raise HandshakeRefusedError(answer.status, answer.headers.get("Retry-After"))
                packet = await answer.text()
        except (aiohttp.ClientError, OSError) as problem:
            raise LostError(str(problem)) from problem
        self._opening = (packet,)
        sid = packet.partition('"sid":"')[2].partition('"')[0]
        self._url += f"&sid={sid}"

    async def send(self, packets: Sequence[str]) -> None:
        """See Transport."""
        waiting = list(packets)
        while waiting:
            size, count = len(waiting[0]), 1
            while count < len(waiting) and size + len(waiting[count]) < _MOST_IN_A_POST:
                size += len(waiting[count]) + 1
                count += 1
            await self._exchange("POST", _SEPARATOR.join(waiting[:count]))
            del waiting[:count]

    async def receive(self) -> Sequence[str]:
        """See Transport."""
        if self._opening:
            opening, self._opening = self._opening, ()
            return opening
        return (await self._exchange("GET")).split(_SEPARATOR)

    async def _exchange(self, method: str, body: str | None = None) -> str:
        try:
            async with self._http.request(method, self._url, data=body) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, OSError) as problem:
            raise LostError(str(problem)) from problem
        if answer.status != 200:
            raise LostError(f"{method} answered {answer.status}: {text}")
        return text

    async def cut(self) -> None:
        """See Transport."""
        await self._http.close()

    async def close(self) -> None:
        """See Transport."""
        try:
            async with asyncio.timeout(2):
                await self.send(["41/chat,", "1"])
        except (LostError, TimeoutError):
            pass
        await self._http.close()
