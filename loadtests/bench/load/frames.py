"""Frames: WebSocket frames of a client, and finding the messages in what a server sends."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT, CLOSE = 1, 8

MARK = b"|message:"
"""Stands once in every message's text and nowhere else on the wire: deliveries are counted by it, without
parsing a frame. It is this long because long patterns are found faster, and because any shorter one may come
up in the head of a frame by chance; its first byte comes only once, so that a cut one is easily found."""

ACKED = b'"ok":true'
"""Stands once in every acknowledgement of something done."""

FIRST = 10_000_000
"""The first message's number: all of them have eight digits, so all frames of a room have one length."""

DIGITS = 8
MARKED = len(MARK) + DIGITS
TEXT_CHARS = 130
WORDS = "the quick brown fox jumps over the lazy dog " * 4


def client_frame(payload: bytes) -> bytes:
    """A text frame as a client sends it.

    Clients have to mask; the mask of zeros leaves the payload as it is, so that a frame is made without a
    pass over its bytes. Servers do the same work whatever the mask is.
    """
    length = len(payload)
    if length < 126:
        return struct.pack("!BBxxxx", 0x80 | TEXT, 0x80 | length) + payload
    return struct.pack("!BBHxxxx", 0x80 | TEXT, 0x80 | 126, length) + payload


class Script:
    """The messages of one room, ready to be sent: only a number in three places differs between them."""

    def __init__(self, room: str) -> None:
        blank = "\0" * DIGITS
        text = f"{MARK.decode()}{blank} {WORDS}"[:TEXT_CHARS]
        said = f'{{"room":"{room}","key":"bench-{blank}","body":{{"text":"{text}"}}}}'
        self._parts = client_frame(f'42/chat,{blank}["message:send",{said}]'.encode()).split(blank.encode())

    def frame(self, message: int) -> bytes:
        """The frame that sends message number 0, 1, 2 …; the number plus FIRST asks for its acknowledgement."""
        return (b"%d" % (FIRST + message)).join(self._parts)


class Counter:
    """Counts a pattern in a stream of bytes, wherever it is cut."""

    def __init__(self, pattern: bytes) -> None:
        self._pattern = pattern
        self._end = b""

    def count(self, data: bytes) -> int:
        """How many ended in `data`."""
        pattern, kept = self._pattern, len(self._pattern) - 1
        across = (self._end + data[:kept]).count(pattern) if self._end else 0
        self._end = data[-kept:] if len(data) >= kept else (self._end + data)[-kept:]
        return data.count(pattern) + across


class FrameSplitter:
    """Takes a server's stream apart into text messages; used where speed is not measured."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes and give the payload of each text frame that is whole. EOFError at a close frame."""
        self._buffer += data
        while (frame := self._next()) is not None:
            opcode, payload = frame
            if opcode == CLOSE:
                raise EOFError("the server closed the connection")
            if opcode == TEXT:
                yield payload

    def _next(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, start = buffer[1], 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(buffer) < start:
                return None
            length = int.from_bytes(buffer[2:start])
        if len(buffer) < start + length:
            return None
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[start : start + length])
        del buffer[: start + length]
        return opcode, payload
