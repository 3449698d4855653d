"""Taking a connection over from aiohttp: the WebSocket handshake, then our own protocol on its transport.

aiohttp keeps a task, a request and two parsers for every WebSocket that it serves; a connection that
is taken over keeps one small protocol. What is used of aiohttp for it, and is not in its documented
API, is in this file only: `RequestHandler.set_parser`, which hands over the bytes that came behind
the request; its attribute `transport`, without which it does not close the connection; and its
`connection_lost`, by which it lets go of everything else.
"""

import asyncio
import base64
import binascii
import hashlib
from typing import Any

from aiohttp import web

from chat_service.engine.refusals import BAD_REQUEST, RequestRefusedError

# RFC 6455, section 1.3.
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def is_websocket(request: web.Request) -> bool:
    """Whether the request asks for a WebSocket."""
    return request.headers.get("Upgrade", "").strip().lower() == "websocket"


def accept_key(request: web.Request) -> bytes:
    """Return the Sec-WebSocket-Accept of the answer (RFC 6455, section 4.2.2).

    Raises:
        RequestRefusedError: when the request is not a correct WebSocket handshake.
    """
    headers = request.headers
    options = {option.strip().lower() for option in headers.get("Connection", "").split(",")}
    key = headers.get("Sec-WebSocket-Key", "").strip()
    try:
        right_key = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        right_key = False
    right = request.method == "GET" and is_websocket(request) and "upgrade" in options
    if not right or not right_key or headers.get("Sec-WebSocket-Version", "").strip() != "13":
        raise RequestRefusedError(BAD_REQUEST)
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest)


class _EarlyBytes:
    """Stands in for aiohttp's WebSocket reader, to be given what came behind the request."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """Nothing follows: the connection is no longer aiohttp's."""


class TakenOver(web.Response):
    """The response that a handler returns for a connection taken over; it is never sent."""

    def __init__(self) -> None:
        """Be a 101 in the access log."""
        super().__init__(status=101)

    async def prepare(self, request: web.BaseRequest) -> Any:
        """End aiohttp's part, as when the client has gone."""
        del request
        raise ConnectionResetError("the connection was taken over")


def take_over(request: web.Request, accept: bytes, protocol: asyncio.Protocol, first: bytes) -> bytes:
    """Answer the WebSocket handshake, send `first` behind it, and give `protocol` the connection.

    Returns what the client sent behind its request, which `protocol` has yet to be given. The
    handler must return a `TakenOver`. No extension is agreed to: compressing would cost every
    receiver of a message its own work.

    Raises:
        RequestRefusedError: when the client has gone.
    """
    http = request.protocol
    transport = http.transport
    if transport is None or transport.is_closing():
        raise RequestRefusedError(BAD_REQUEST)
    early = _EarlyBytes()
    parser: Any = early
    http.set_parser(parser)
    http.transport = None
    http.connection_lost(None)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    transport.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + first
    )
    return early.data
