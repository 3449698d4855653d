"""Frames: a message as it travels between nodes, in bytes, understood by this version and its neighbours.

A frame is one byte of version, eight bytes that tell its sender, and the message in MessagePack: an array of
the message's tag and its fields. Fields that this version does not know are skipped and those that it lacks
have defaults, so only a change of the layout itself needs another version.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from chat_service.bus import Message, RoomFrame

VERSION = 1

SENDER_BYTES = 8

FRAME_MOST = 4 * 1024 * 1024
"""Most bytes of one frame: a larger one is not sent, and not looked at when it arrives."""

PART_MOST = 1024 * 1024
"""Bytes of entries from which on the entries of a batch are sent in several frames."""

_HEAD = 1 + SENDER_BYTES
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


class UnreadableFrameError(Exception):
    """A frame that is ignored: `reason` is `version`, `unknown` (a message of a later version), `malformed` or
    `too_large`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def encode(sender: bytes, message: Message) -> bytes:
    """The frame of a message. Raises UnreadableFrameError `too_large`: no node would look at it."""
    frame = bytes((VERSION,)) + sender + _encoder.encode(message)
    if len(frame) > FRAME_MOST:
        raise UnreadableFrameError("too_large")
    return frame


def decode(frame: bytes, own: bytes) -> Message | None:
    """The message of a frame; None where `own` is its sender. Raises UnreadableFrameError."""
    if len(frame) > FRAME_MOST:
        raise UnreadableFrameError("too_large")
    if len(frame) <= _HEAD:
        raise UnreadableFrameError("malformed")
    if frame[0] != VERSION:
        raise UnreadableFrameError("version")
    if frame[1:_HEAD] == own:
        return None
    try:
        message: Message = _decoder.decode(memoryview(frame)[_HEAD:])
    except msgspec.ValidationError:
        raise UnreadableFrameError("unknown") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UnreadableFrameError("malformed") from None
    return message


def parts(message: Message) -> Iterator[Message]:
    """The message itself; a batch of many long entries in several, none of them above what a frame may hold."""
    if not isinstance(message, RoomFrame) or sum(len(item.wire) for item in message.items) <= PART_MOST:
        yield message
        return
    start = size = 0
    for at, item in enumerate(message.items):
        if at > start and size + len(item.wire) > PART_MOST:
            yield RoomFrame(message.room, message.epoch, message.items[start:at])
            start, size = at, 0
        size += len(item.wire)
    yield RoomFrame(message.room, message.epoch, message.items[start:])
