"""Unread reports: once a second, one frame with the rooms that this node appended to."""

from __future__ import annotations

import asyncio

from chat_service.bus import Appended, Bus
from chat_service.model.entries import Entry, Kind

REPORT_EVERY_S = 1.0


class UnreadReports:
    """Gathers appended messages per room; publishes what was gathered a second after the first of them."""

    def __init__(self, bus: Bus, node: str) -> None:
        self._bus = bus
        self._node = node
        self._rooms: dict[str, tuple[int, dict[str, int]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, entry: Entry) -> None:
        """Take a message into the next report; other entries make nothing unread."""
        if entry.kind is not Kind.MESSAGE:
            return
        last, mentions = self._rooms.get(entry.room, (0, {}))
        for user in entry.body.get("mentions", ()):
            mentions[user] = mentions.get(user, 0) + 1
        self._rooms[entry.room] = (max(last, entry.seq), mentions)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(REPORT_EVERY_S, self.report)

    def report(self) -> None:
        """Publish what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._rooms:
            rooms, self._rooms = self._rooms, {}
            self._bus.publish(Appended(self._node, rooms))
