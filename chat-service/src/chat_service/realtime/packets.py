"""Socket.IO v5 packets: python-socketio's codec made strict, and frames spliced from encoded JSON."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from socketio import packet as stock  # type: ignore[import-untyped]

from chat_service.engine import Attachment, Frames
from chat_service.realtime import codec

CONNECT, DISCONNECT, EVENT, ACK = stock.CONNECT, stock.DISCONNECT, stock.EVENT, stock.ACK
BINARY_EVENT, BINARY_ACK = stock.BINARY_EVENT, stock.BINARY_ACK

# Names that Socket.IO itself uses; the reference's parser refuses them from clients too.
RESERVED_EVENTS = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)


# Type, number of attachments, namespace, acknowledgement id; all that follows is JSON. Ids are at most
# JavaScript's greatest safe integer long. (socket.io-protocol, "Packet encoding".)
_HEAD = re.compile(r"([0-6])(?:([0-9]{1,6})-)?(?:(/[^,]*),?)?([0-9]{1,16})?")

_BINARY = frozenset({BINARY_EVENT, BINARY_ACK})
_PLAIN = frozenset({str, int, float, bool, type(None), msgspec.Raw})


class ClientPacket(stock.Packet):  # type: ignore[misc]  # python-socketio has no types
    """python-socketio's packet, which takes from clients only what Socket.IO v5 allows them.

    `id` is of the acknowledgement that the client waits for; None where it does not.
    """

    json = codec

    packet_type: int
    namespace: str
    id: int | None
    data: Any
    attachment_count: int

    def decode(self, encoded_packet: str) -> int:
        """Take a packet's text apart and return how many attachments follow it.

        Raises:
            ValueError: when it is not a packet that a client may send.
            RecursionError: when its JSON is nested too deep.
        """
        head = _HEAD.match(encoded_packet)
        if head is None:
            raise ValueError("a packet of no type")
        digit, attachments, namespace, ack_id = head.groups()
        kind = self.packet_type = int(digit)
        self.namespace = "/" if namespace is None else namespace.partition("?")[0]
        self.id = None if ack_id is None else int(ack_id)
        payload = encoded_packet[head.end() :]
        self.data = codec.loads(payload) if payload else None
        if attachments and kind not in _BINARY:
            raise ValueError("attachments to a packet that has none")
        if kind in {EVENT, BINARY_EVENT}:
            self._check_event()
        elif kind in {ACK, BINARY_ACK}:
            if not isinstance(self.data, list):
                raise ValueError("an acknowledgement without a list")
        elif kind == CONNECT:
            if not (self.data is None or isinstance(self.data, dict)):
                raise ValueError("a connect packet with something other than an object")
        elif kind != DISCONNECT or self.data is not None:
            raise ValueError("a packet that clients do not send")
        return int(attachments or 0)

    def _check_event(self) -> None:
        if not isinstance(self.data, list) or not self.data:
            raise ValueError("an event without a list")
        name = self.data[0]
        if isinstance(name, int) and not isinstance(name, bool):
            name = self.data[0] = str(name)
        if not isinstance(name, str) or name in RESERVED_EVENTS:
            raise ValueError("an event without a name of its own")

    @classmethod
    def data_is_binary(cls, data: object) -> bool:
        """Whether bytes are anywhere in `data`."""
        if isinstance(data, dict):
            data = data.values()
        elif not isinstance(data, (list, tuple)):
            return isinstance(data, (bytes, bytearray))
        for item in data:  # noqa: SIM110  # on every path out: any() and its generator take twice as long
            # Most of what is sent is of these: they are passed over without a call for each.
            if type(item) not in _PLAIN and cls.data_is_binary(item):
                return True
        return False

    @classmethod
    def reconstruct_binary(cls, data: Any, attachments: Sequence[bytes]) -> Any:
        """Return `data` with its placeholders replaced.

        Raises:
            ValueError: when a placeholder does not name an attachment.
        """
        if isinstance(data, list):
            return [cls.reconstruct_binary(item, attachments) for item in data]
        if not isinstance(data, dict):
            return data
        if data.get("_placeholder") is True:
            number = data.get("num")
            if type(number) is not int or not 0 <= number < len(attachments):
                raise ValueError("a placeholder for no attachment")
            return attachments[number]
        return {key: cls.reconstruct_binary(value, attachments) for key, value in data.items()}


def _head(kind: int, namespace: str, ack_id: int | None = None) -> bytes:
    """Return what comes before the JSON of a packet without attachments, as an Engine.IO message."""
    space = "" if namespace == "/" else f"{namespace},"
    return f"4{kind}{space}{'' if ack_id is None else ack_id}".encode()


def event_frames(namespace: str, event: str, payload_json: bytes | Sequence[bytes]) -> Frames:
    """Return events whose single argument is JSON already: one event, or one for each of several."""
    start = _head(EVENT, namespace) + b"[" + codec.dump_bytes(event) + b","
    payloads = (payload_json,) if isinstance(payload_json, bytes) else payload_json
    return Frames([b"%b%b]" % (start, payload) for payload in payloads])


def packet_frames(kind: int, namespace: str, data: list[Any], ack_id: int | None = None) -> Frames:
    """Return one event (kind EVENT) or acknowledgement (ACK); bytes in `data` become attachments.

    Raises:
        TypeError, ValueError, RecursionError: when `data` cannot be JSON.
    """
    if not ClientPacket.data_is_binary(data):
        return Frames((_head(kind, namespace, ack_id) + codec.dump_bytes(data),))
    text, *attachments = ClientPacket(kind, data=data, namespace=namespace, id=ack_id, binary=True).encode()
    return Frames([b"4" + text.encode(), *map(Attachment, attachments)])


def connect_error(namespace: str, message: str) -> Frames:
    """Return a CONNECT_ERROR with a message."""
    return Frames((_head(stock.CONNECT_ERROR, namespace) + codec.dump_bytes({"message": message}),))
