"""Identifiers: how they look, and how they are made.

Every id is one letter that names its kind and lower-case base-32 letters (RFC 4648 alphabet), so ids of one
kind have one length, sort as text, and can stand in URLs, channel names and composite database keys as they
are.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

ROOM_CHANNEL = "c"
ROOM_DIRECT = "d"
ROOM_OPEN = "o"
FILE = "f"
WEBHOOK = "w"
DELIVERY = "v"
USER_REGISTERED = "u"
USER_GUEST = "g"
USER_LEGACY = "l"

FILE_PATTERN = r"^f[a-z2-7]{21}$"
ROOM_PATTERN = r"^[cdo][a-z2-7]{21}$"
USER_PATTERN = r"^[ugl][a-z2-7]{15}$"
WEBHOOK_PATTERN = r"^w[a-z2-7]{21}$"
DELIVERY_PATTERN = r"^v[a-z2-7]{21}$"
SYSTEM_SENDER = "s" + "a" * 15
"""The sender of entries that the service itself writes (retention, rooms of the original protocol)."""

_ROOM_LETTERS = 21  # 105 bits
_USER_LETTERS = 15  # 75 bits
_ENTRY_LETTERS = 12  # 60 bits: unique within one room is enough
_room = re.compile(ROOM_PATTERN)
_user = re.compile(USER_PATTERN)


def is_room_id(text: str) -> bool:
    """Whether `text` has the shape of a room id."""
    return _room.fullmatch(text) is not None


def is_user_id(text: str) -> bool:
    """Whether `text` has the shape of a user id."""
    return _user.fullmatch(text) is not None


def new_channel_id() -> str:
    """A random id for a public or private channel."""
    return ROOM_CHANNEL + _random(_ROOM_LETTERS)


def keyed_channel_id(user: str, key: str) -> str:
    """The id of the channel that `user` makes with the idempotency key `key`: the same at every repeat."""
    return ROOM_CHANNEL + _hashed("channel", _ROOM_LETTERS, user, key)


def direct_room_id(one: str, other: str) -> str:
    """The id of the direct-message room of two users: the same whoever asks, on every node."""
    return ROOM_DIRECT + _hashed("direct", _ROOM_LETTERS, *sorted((one, other)))


def open_room_id(name: str) -> str:
    """The id of the original protocol's room of that name: a namespace apart from channels."""
    return ROOM_OPEN + _hashed("open", _ROOM_LETTERS, name)


def new_user_id(*, guest: bool = False) -> str:
    """A random id for a registered person or a guest."""
    return (USER_GUEST if guest else USER_REGISTERED) + _random(_USER_LETTERS)


def legacy_user_id(name: str) -> str:
    """The sender id of whoever uses `name` over the original protocol, which knows no accounts."""
    return USER_LEGACY + _hashed("legacy-user", _USER_LETTERS, name)


def new_file_id() -> str:
    """A random id for an uploaded file: unguessable, though knowing it opens nothing."""
    return FILE + _random(_ROOM_LETTERS)


def new_webhook_id() -> str:
    """A random id for a webhook."""
    return WEBHOOK + _random(_ROOM_LETTERS)


def new_delivery_id() -> str:
    """A random id for a delivery that is of no entry."""
    return DELIVERY + _random(_ROOM_LETTERS)


def delivery_id(webhook: str, room: str, seq: int, entry: str) -> str:
    """The id of an entry's delivery to a webhook: the same at every attempt, whoever makes it."""
    return DELIVERY + _hashed("delivery", _ROOM_LETTERS, webhook, room, str(seq), entry)


def new_entry_id() -> str:
    """A short random id of an entry: tells two logs of the same room apart, one seq at a time."""
    return _random(_ENTRY_LETTERS)


def new_token(bits: int = 192) -> str:
    """An unguessable URL-safe token of at least `bits` random bits."""
    return secrets.token_urlsafe((bits + 7) // 8)


def _random(letters: int) -> str:
    return _letters(secrets.token_bytes((letters * 5 + 7) // 8))[:letters]


def _hashed(namespace: str, letters: int, *parts: str) -> str:
    material = "\x00".join((namespace, *parts)).encode("utf-8", "surrogatepass")
    return _letters(hashlib.sha256(material).digest())[:letters]


def _letters(raw: bytes) -> str:
    return base64.b32encode(raw).decode("ascii").rstrip("=").lower()
