"""Frames: packets encoded once for any number of receivers."""

import base64
import struct
from collections.abc import Iterable, Sequence

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

_SHORT = struct.Struct("!BB").pack
_MEDIUM = struct.Struct("!BBH").pack
_LONG = struct.Struct("!BBQ").pack


class Attachment(bytes):
    """A binary message, beside the text packets of a Frames."""

    __slots__ = ()


def websocket_frame(opcode: int, payload: bytes) -> bytes:
    """Return one final, unmasked frame as a server sends it (RFC 6455, section 5.2)."""
    length = len(payload)
    if length < 126:
        return _SHORT(0x80 | opcode, length) + payload
    if length < 65_536:
        return _MEDIUM(0x80 | opcode, 126, length) + payload
    return _LONG(0x80 | opcode, 127, length) + payload


class Frames:
    """Packets in sending order, made once and written to any number of sessions.

    A text packet is a whole Engine.IO packet in UTF-8, its type included, and must not hold the
    byte 0x1e (JSON escapes it). What goes on the wire is made on first use, for either transport,
    and kept.
    """

    __slots__ = ("_payload", "_wire", "packets")

    def __init__(self, packets: Sequence[bytes]) -> None:
        """Hold `packets`; an `Attachment` among them is a binary message."""
        self.packets = packets
        self._wire: bytes | None = None
        self._payload: bytes | None = None

    @property
    def wire(self) -> bytes:
        """All packets as WebSocket frames, one after the other."""
        wire = self._wire
        if wire is None:
            wire = self._wire = b"".join(
                [
                    websocket_frame(BINARY if isinstance(packet, Attachment) else TEXT, packet)
                    for packet in self.packets
                ]
            )
        return wire

    @property
    def payload(self) -> bytes:
        """All packets as the body of a poll's answer."""
        payload = self._payload
        if payload is None:
            payload = self._payload = b"\x1e".join(
                [
                    b"b" + base64.b64encode(packet) if isinstance(packet, Attachment) else packet
                    for packet in self.packets
                ]
            )
        return payload


def join_frames(several: Iterable[Frames]) -> Frames:
    """Return one Frames of all packets of `several`, so that they are written at once."""
    return Frames([packet for frames in several for packet in frames.packets])


def message_frames(data: str | bytes) -> Frames:
    """Return one Engine.IO message: a text, or a binary message where `data` is bytes."""
    return Frames((Attachment(data),) if isinstance(data, bytes) else (b"4" + data.encode(),))
