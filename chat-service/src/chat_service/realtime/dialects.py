"""How what happens in a room looks in each of the protocols spoken here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from chat_service.bus import Item
from chat_service.engine import Frames
from chat_service.realtime.packets import event_frames

V1_NAMESPACE = "/chat"
LEGACY_NAMESPACE = "/"
LEGACY_EVENTS = frozenset({"user-joined", "user-left"})


class V1Dialect:
    """Protocol v1: every entry as it is, every event that is not of the original protocol."""

    def entries(self, items: Sequence[Item]) -> Frames | None:
        """See Dialect."""
        return event_frames(V1_NAMESPACE, "entry", [item.wire for item in items])

    def event(self, name: str, wire: bytes) -> Frames | None:
        """See Dialect."""
        return None if name in LEGACY_EVENTS else event_frames(V1_NAMESPACE, name, wire)


class LegacyDialect:
    """The original protocol: messages as a JSON string, joins and leaves of its own people; nothing else.

    `room_names` maps the ids of the rooms that are in use to the names its clients know them by.
    """

    def __init__(self) -> None:
        self.room_names: dict[str, str] = {}

    def entries(self, items: Sequence[Item]) -> Frames | None:
        """See Dialect."""
        messages = [message for item in items if (message := self.message(item.wire)) is not None]
        return event_frames(LEGACY_NAMESPACE, "message", messages) if messages else None

    def event(self, name: str, wire: bytes) -> Frames | None:
        """See Dialect."""
        return event_frames(LEGACY_NAMESPACE, name, wire) if name in LEGACY_EVENTS else None

    def message(self, wire: bytes) -> bytes | None:
        """The `message` event's argument for an entry: JSON inside a JSON string. None for what it lacks."""
        entry: dict[str, Any] = msgspec.json.decode(wire)
        body: dict[str, Any] | None = entry.get("body")
        if entry["kind"] != "message" or body is None:
            return None
        told = legacy_message(
            name=body.get("name", entry["sender"]),
            text=body["text"],
            room_name=self.room_names.get(entry["room"], entry["room"]),
            ts=entry["ts"],
        )
        return msgspec.json.encode(told)


def legacy_message(*, name: str, text: str, room_name: str, ts: int) -> str:
    """The one argument of the original protocol's `message`: JSON as a string."""
    told = {"name": name, "message": text, "roomId": room_name, "timestamp": _iso8601(ts)}
    return msgspec.json.encode(told).decode()


def _iso8601(ts: int) -> str:
    """Milliseconds since 1970 as ECMAScript's Date.toISOString writes them."""
    return datetime.fromtimestamp(ts / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


V1 = V1Dialect()
