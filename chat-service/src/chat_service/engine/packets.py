"""Engine.IO v4 packets: what the one-letter types mean and how payloads are taken apart."""

import base64
import binascii
from enum import StrEnum

SEPARATOR = "\x1e"


class PacketType(StrEnum):
    """The types of Engine.IO v4 packets, by the character that begins them."""

    OPEN = "0"
    CLOSE = "1"
    PING = "2"
    PONG = "3"
    MESSAGE = "4"
    UPGRADE = "5"
    NOOP = "6"


FROM_CLIENT = frozenset("123456")

type_of = {member.value: member for member in PacketType}


class PacketError(ValueError):
    """A packet or payload that Engine.IO v4 does not allow from a client."""


def split_packet(text: str) -> tuple[PacketType, str]:
    """Take a text packet apart into its type and its data.

    Raises:
        PacketError: when it is empty, or of a type that no client may send.
    """
    kind = text[:1]
    if kind not in FROM_CLIENT or not kind:
        raise PacketError("unknown packet type")
    return type_of[kind], text[1:]


def split_payload(body: bytes, max_packets: int) -> list[tuple[PacketType, str | bytes]]:
    """Take the body of a POST apart into its packets, in order.

    A binary message is given as bytes.

    Raises:
        PacketError: when the body is not UTF-8, holds more than `max_packets` packets, or when any
            of them is not allowed: then none is returned.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise PacketError("payload is not UTF-8") from error
    if text.count(SEPARATOR) >= max_packets:
        raise PacketError("too many packets in one payload")
    return [_payload_packet(part) for part in text.split(SEPARATOR)]


def _payload_packet(part: str) -> tuple[PacketType, str | bytes]:
    if not part.startswith("b"):
        return split_packet(part)
    try:
        return PacketType.MESSAGE, base64.b64decode(part[1:], validate=True)
    except (binascii.Error, ValueError) as error:
        raise PacketError("binary packet is not base64") from error
