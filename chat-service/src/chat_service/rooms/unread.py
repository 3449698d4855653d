"""Unread reports: once a second, one frame with the rooms that this node appended to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

from chat_service.bus import Appended, Bus
from chat_service.model.entries import Entry, Kind

REPORT_EVERY_S = 1.0


class UnreadReports:
    """Gathers appended messages per room; publishes what was gathered a second after the first of them."""

    def __init__(self, bus: Bus, node: str) -> None:
        self._bus = bus
        self._node = node
        self._rooms: dict[str, dict[int, Sequence[str]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, entry: Entry) -> None:
        """Take a message into the next report; other entries make nothing unread."""
        if entry.kind is not Kind.MESSAGE:
            return
        # By seq: a repeated key publishes its entry once more, and must not count as another mention.
        self._rooms.setdefault(entry.room, {})[entry.seq] = entry.body.get("mentions", ())
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(REPORT_EVERY_S, self.report)

    def report(self) -> None:
        """Publish what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._rooms:
            rooms, self._rooms = self._rooms, {}
            gathered = {room: (max(mentions), _counted(mentions)) for room, mentions in rooms.items()}
            self._bus.publish(Appended(self._node, gathered))


def _counted(mentions: Mapping[int, Sequence[str]]) -> dict[str, int]:
    """How often each person was mentioned."""
    return dict(Counter(user for users in mentions.values() for user in users))
