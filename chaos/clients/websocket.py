"""A bare WebSocket to an Engine.IO server: text frames in and out, pings answered, and no polite end."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_TEXT, _CLOSE, _PING = 1, 8, 9
_UPGRADE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class RefusedError(Exception):
    """The server refused the handshake; `retry_after_s` is what it said, 0 where it said nothing."""

    def __init__(self, status: str, retry_after_s: float) -> None:
        super().__init__(status)
        self.retry_after_s = retry_after_s


class WebSocket(asyncio.Protocol):
    """One connection. `take` is given each text message in the step in which it arrives; `lost` is called once."""

    def __init__(self, host: str, port: int, take: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        self._address = host, port
        self._take = take
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._upgraded = False
        self.refusal: RefusedError | None = None
        self.heard = asyncio.get_running_loop().time()
        """When something was received last (event loop time)."""

    async def connect(self) -> None:
        """Connect and ask for the upgrade. Raises OSError where nobody listens."""
        await asyncio.get_running_loop().create_connection(lambda: self, *self._address)

    def send(self, message: bytes) -> None:
        """Send a text message; nothing where the connection is gone."""
        if self._transport is not None:
            self._transport.write(_frame(_TEXT, message))

    def cut(self, why: str) -> None:
        """Cut the connection without a word."""
        if self._transport is not None:
            self._transport.abort()
        self._end(why)

    def pause(self) -> None:
        """Take nothing more from the socket."""
        if self._transport is not None:
            self._transport.pause_reading()

    # -- called by the transport ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        self.heard = asyncio.get_running_loop().time()
        host, port = self._address
        self._transport.write(_UPGRADE.format(host=host, port=port).encode())

    def data_received(self, data: bytes) -> None:
        """Take bytes apart into messages."""
        self.heard = asyncio.get_running_loop().time()
        self._buffer += data
        if not self._upgraded and not self._upgrade():
            return
        for opcode, payload in self._frames():
            if self._transport is None:
                return
            if opcode == _TEXT:
                self._take(payload)
            elif opcode == _PING:
                self._transport.write(_frame(10, payload))
            elif opcode == _CLOSE:
                self.cut("closed by the server")

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell."""
        self._end(str(exc) if exc is not None else "ended by the server")

    def _end(self, why: str) -> None:
        if self._transport is not None:
            self._transport = None
            self._lost(why)

    def _upgrade(self) -> bool:
        head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if not end:
            return False
        lines = head.decode("latin-1").split("\r\n")
        if " 101 " not in lines[0] + " ":
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
            self.refusal = RefusedError(lines[0], float(headers.get("retry-after", 0)))
            self.cut(f"refused: {lines[0]}")
            return False
        self._upgraded = True
        self._buffer = bytearray(rest)
        return True

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        while len(self._buffer) >= 2:
            length, start = self._buffer[1] & 0x7F, 2
            if length == 126:
                start = 4
            elif length == 127:
                start = 10
            if len(self._buffer) < start:
                return
            if start > 2:
                length = int.from_bytes(self._buffer[2:start], "big")
            if len(self._buffer) < start + length:
                return
            opcode, payload = self._buffer[0] & 0x0F, bytes(self._buffer[start : start + length])
            del self._buffer[: start + length]
            yield opcode, payload


def _frame(opcode: int, payload: bytes) -> bytes:
    """A frame as a client sends it. The mask of zeros, which is allowed, leaves the payload as it is."""
    length = len(payload)
    if length < 126:
        return struct.pack("!BBxxxx", 0x80 | opcode, 0x80 | length) + payload
    if length < 65_536:
        return struct.pack("!BBHxxxx", 0x80 | opcode, 0x80 | 126, length) + payload
    return struct.pack("!BBQxxxx", 0x80 | opcode, 0x80 | 127, length) + payload
