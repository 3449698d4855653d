"""What goes over the wire, in the recorded types: entries, messages, acknowledgements."""

from __future__ import annotations

from typing import Any

import msgspec

from chaos.history import LogEntry, Message

NAMESPACE = "/chat,"
_ENTRY = b'42/chat,["entry",'
_KEPT_ENTRIES = 4096


class WireEntry(msgspec.Struct):
    """An entry as the service sends it; what a check does not look at is left out."""

    room: str
    seq: int
    id: str
    kind: str
    sender: str
    key: str = ""
    target: int | None = None
    redacted: bool = False
    body: dict[str, Any] = {}

    def recorded(self) -> LogEntry:
        """The same as it is recorded."""
        return LogEntry(
            seq=self.seq,
            id=self.id,
            kind=self.kind,
            sender=self.sender,
            key=self.key,
            text=self.body.get("text"),
            target=self.target,
            emoji=self.body.get("emoji", ""),
            on=self.body.get("on", True),
            person=self.body.get("user", ""),
            redacted=self.redacted,
        )


class WireMessage(msgspec.Struct):
    """A folded message as the service sends it."""

    seq: int
    id: str
    sender: str
    key: str = ""
    body: dict[str, Any] = {}
    redacted: bool = False
    reactions: dict[str, list[str]] = {}

    def recorded(self) -> Message:
        """The same as it is recorded."""
        reactions = frozenset((emoji, user) for emoji, users in self.reactions.items() for user in users)
        text = None if self.redacted else self.body.get("text")
        return Message(self.seq, self.id, self.sender, self.key, text, reactions)


class WireReset(msgspec.Struct):
    """A new beginning."""

    messages: list[WireMessage]
    as_of: int


class WireError(msgspec.Struct):
    """An error as the service sends it."""

    code: str
    retryable: bool = False
    retry_after_ms: int = 200


class WireAnswer(msgspec.Struct):
    """An acknowledgement of any event."""

    ok: bool
    error: WireError | None = None
    seq: int = 0
    id: str = ""
    duplicate: bool = False
    epoch: str = ""
    last_seq: int = 0
    last_id: str = ""
    entries: list[WireEntry] = []
    more: bool = False
    reset: WireReset | None = None
    online: list[str] = []


class Handshake(msgspec.Struct):
    """What the Engine.IO server says first."""

    pingInterval: int  # noqa: N815 - the protocol's names
    pingTimeout: int  # noqa: N815


_decode_event = msgspec.json.Decoder(tuple[str, dict[str, Any]]).decode
_decode_entry = msgspec.json.Decoder(tuple[str, WireEntry]).decode
_decode_answer = msgspec.json.Decoder(tuple[WireAnswer]).decode
decode_handshake = msgspec.json.Decoder(Handshake).decode
decode_error = msgspec.json.Decoder(WireError).decode
encode = msgspec.json.encode


class EntryDecoder:
    """Decodes live entries; the same bytes, which go to every reader of a room, are decoded once."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[str, LogEntry]] = {}

    def entry(self, packet: bytes) -> tuple[str, LogEntry] | None:
        """Room and entry of a packet; None where it is no entry."""
        if not packet.startswith(_ENTRY):
            return None
        found = self._known.get(packet)
        if found is None:
            if len(self._known) >= _KEPT_ENTRIES:
                self._known.clear()
            entry = _decode_entry(packet[8:])[1]
            found = self._known[packet] = entry.room, entry.recorded()
        return found


def event(packet: bytes) -> tuple[str, dict[str, Any]]:
    """Name and payload of a packet that is an event."""
    return _decode_event(packet[8:])


def answer(packet: bytes) -> tuple[int, WireAnswer]:
    """Number and content of a packet that is an acknowledgement."""
    head, bracket, rest = packet[8:].partition(b"[")
    return int(head), _decode_answer(bracket + rest)[0]


def request(number: int, name: str, payload: dict[str, Any]) -> bytes:
    """The packet of an event that asks for an acknowledgement."""
    return f"42{NAMESPACE}{number}".encode() + encode([name, payload])


def refusal(packet: bytes) -> bytes:
    """The error, in JSON, of a packet that refuses to let somebody in."""
    told = msgspec.json.decode(packet[8:])
    return encode(told.get("data", told))
