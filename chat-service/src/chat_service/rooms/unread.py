"""Unread reports: once a second, one frame with the rooms that this node appended to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chat_service.bus import Appended, Bus, RoomReport
from chat_service.model.entries import Entry, Kind

REPORT_EVERY_S = 1.0


class _Written(NamedTuple):
    """What a report counts of one message; `in_room` is false for a reply in a thread."""

    sender: str
    in_room: bool
    mentions: Sequence[str]


class UnreadReports:
    """Gathers appended messages per room; publishes what was gathered a second after the first of them."""

    def __init__(self, bus: Bus, node: str) -> None:
        self._bus = bus
        self._node = node
        self._rooms: dict[str, dict[int, _Written]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, entry: Entry) -> None:
        """Take a message into the next report; other entries make nothing unread."""
        if entry.kind is not Kind.MESSAGE:
            return
        # By seq: a repeated key publishes its entry once more, and must not count twice.
        self._rooms.setdefault(entry.room, {})[entry.seq] = _Written(
            entry.sender, entry.target is None, entry.body.get("mentions", ())
        )
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(REPORT_EVERY_S, self.report)

    def report(self) -> None:
        """Publish what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._rooms:
            rooms, self._rooms = self._rooms, {}
            reports = {room: _report(written) for room, written in rooms.items()}
            self._bus.publish(Appended(self._node, reports))


def _report(written: Mapping[int, _Written]) -> RoomReport:
    return RoomReport(
        last_seq=max(written),
        messages=dict(Counter(one.sender for one in written.values() if one.in_room)),
        mentions=dict(Counter(user for one in written.values() for user in one.mentions)),
    )
