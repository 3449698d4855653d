"""One connection to a Redis server: commands merged into one write a turn, replies and messages as they come.

It speaks RESP3, in which messages of channels and answers to commands share a connection (Redis 6 and later).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, cast

import hiredis

from chat_service.bus.redis_endpoints import RedisEndpoint

OUTPUT_MOST = 8 * 1024 * 1024
"""Bytes that may wait for a server to take them."""

INPUT_MOST = 16 * 1024 * 1024
"""Bytes that may arrive without completing a reply: nothing of ours is that long."""

_MESSAGES = frozenset({b"message", b"smessage"})
_NOTHING = object()


class RedisRefusalError(Exception):
    """A server that was reached and does not serve: what it said, or what it lacks."""


class RedisConnection(asyncio.Protocol):
    """Sends commands and hands on what comes: `message(channel, payload)`, `confirmed(kind, channel)`.

    No answer to a command matters but two: an error ends the connection, and what the server says of itself
    (HELLO) is kept in `server`. `lost` is done once the connection is no more, with the reason.
    """

    def __init__(self, message: Callable[[bytes, bytes], None], confirmed: Callable[[bytes, bytes], None]) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.server: dict[bytes, Any] = {}
        self._message = message
        self._confirmed = confirmed
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._transport: asyncio.Transport | None = None
        self._incomplete = 0
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._flushing: asyncio.Handle | None = None
        self._greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # -- asyncio.Protocol -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._end(str(exc) if exc is not None else "the server closed the connection")

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self.lost.done():
            return
        self._incomplete += len(data)
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not _NOTHING:
                self._incomplete = 0
                self._take(reply)
                if self.lost.done():
                    return
        except hiredis.ProtocolError as problem:
            self.abort(f"not the Redis protocol: {problem}")
            return
        if self._incomplete > INPUT_MOST:
            self.abort(f"a reply of more than {INPUT_MOST} bytes")

    # -- commands -------------------------------------------------------------------------------------

    def send(self, *command: bytes) -> bool:
        """Send a command with what else is sent in this turn; False, and nothing is sent, where too much waits."""
        return self._write(
            b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in command)
        )

    async def sign_in(self, *hello: bytes) -> None:
        """Send HELLO, before anything else. Raises RedisRefusalError for any answer but a description."""
        self.send(*hello)
        await asyncio.wait((self._greeted, self.lost), return_when=asyncio.FIRST_COMPLETED)
        if not self._greeted.done():
            raise RedisRefusalError(self.lost.result())

    def abort(self, reason: str) -> None:
        """End the connection at once; what was not written is lost."""
        self._end(reason)
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """End the connection behind what was sent."""
        if self._flushing is not None:
            self._flush()
        self._end("closed")
        if self._transport is not None:
            self._transport.close()

    # -- inside ---------------------------------------------------------------------------------------

    def _write(self, command: bytes) -> bool:
        if self._transport is None or self.lost.done():
            return False
        if self._waiting_bytes + self._transport.get_write_buffer_size() + len(command) > OUTPUT_MOST:
            return False
        self._waiting.append(command)
        self._waiting_bytes += len(command)
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_soon(self._flush)
        return True

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if self._transport is not None and waiting:
            self._transport.write(b"".join(waiting))

    def _take(self, reply: Any) -> None:
        if isinstance(reply, hiredis.PushNotification):
            if len(reply) == 3:
                kind, channel, payload = reply
                if kind in _MESSAGES:
                    self._message(channel, payload)
                else:
                    self._confirmed(kind, channel)
        elif isinstance(reply, dict):
            self.server = reply
            if not self._greeted.done():
                self._greeted.set_result(None)
        elif isinstance(reply, hiredis.ReplyError):
            self.abort(str(reply))

    def _end(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        self._waiting = []


async def connect(
    endpoint: RedisEndpoint,
    tls: ssl.SSLContext | None,
    name: str,
    *,
    message: Callable[[bytes, bytes], None],
    confirmed: Callable[[bytes, bytes], None],
) -> RedisConnection:
    """Connect and sign in under a client name.

    Raises OSError where it is not reached, RedisRefusalError where it refuses.
    """
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: RedisConnection(message, confirmed),
        endpoint.host,
        endpoint.port,
        ssl=tls if endpoint.tls else None,
    )
    credentials: tuple[bytes, ...] = ()
    if endpoint.password:
        credentials = (b"AUTH", (endpoint.username or "default").encode(), endpoint.password.encode())
    try:
        await connection.sign_in(b"HELLO", b"3", *credentials, b"SETNAME", name.encode())
    except BaseException:
        connection.abort("the handshake failed")
        raise
    return connection
