"""The private parts of libraries that are built on: an upgrade that changes one fails here first."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import socketio
from aiohttp import web_protocol
from socketio import packet

SEAMS: dict[Callable[..., Any], str] = {
    socketio.AsyncServer.__init__: "7ae671981d87",
    socketio.AsyncServer._send_packet: "a00022b42c1c",
    socketio.AsyncServer._handle_connect: "c97c480cf777",
    socketio.AsyncServer._handle_disconnect: "c0b32ada5b37",
    socketio.AsyncServer._engineio_server_class: "199c42bf1492",
    socketio.AsyncServer.disconnect: "7d2f76686c12",
    socketio.AsyncServer.emit: "84391bfd6241",
    socketio.AsyncServer.__mro__[1].__init__: "6b998e091b34",
    packet.Packet.__init__: "5fe2fa797e08",
    packet.Packet.encode: "513c45be7518",
    packet.Packet.decode: "61ad7904b539",
    packet.Packet.add_attachment: "01e024038f3d",
    web_protocol.RequestHandler.set_parser: "bb548eb2b85d",
    web_protocol.RequestHandler.connection_lost: "df2fe6e95fd0",
    web_protocol.RequestHandler.data_received: "1ee57ebe052e",
    web_protocol.RequestHandler.finish_response: "b7eb53db8f4b",
}


@pytest.mark.parametrize("seam", list(SEAMS), ids=lambda seam: f"{seam.__module__}.{seam.__qualname__}")
def test_is_as_it_was_read(seam: Callable[..., Any]) -> None:
    """After an upgrade: read the function again, check what is built on it, then note its new digest."""
    digest = hashlib.sha256(inspect.getsource(seam).encode()).hexdigest()[:12]
    assert digest == SEAMS[seam], f"{seam.__module__}.{seam.__qualname__} changed: it is now {digest}"


def test_the_server_overrides_what_is_there() -> None:
    """An override of a method that was renamed would never be called."""
    for name in (
        "_engineio_server_class",
        "_handle_eio_connect",
        "_handle_eio_message",
        "_handle_eio_disconnect",
        "_trigger_event",
    ):
        assert callable(getattr(socketio.AsyncServer, name))
    for name in (
        "pre_connect",
        "connect",
        "is_connected",
        "sid_from_eio_sid",
        "eio_sid_from_sid",
        "pre_disconnect",
        "basic_disconnect",
        "basic_enter_room",
        "emit",
    ):
        assert callable(getattr(socketio.AsyncManager, name))
    for name in ("decode", "data_is_binary", "reconstruct_binary"):
        assert callable(getattr(packet.Packet, name))
