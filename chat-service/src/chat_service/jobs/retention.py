"""Retention: messages that are older than their room keeps them are redacted, then overwritten, with their files.

The entry that says so is appended first and takes them out of view at once; the overwriting that follows is the
redactor's, which can be stopped at any point.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection

import structlog

from chat_service.directory.cursors import JobCursors
from chat_service.directory.rooms import RoomDirectory
from chat_service.jobs import Work
from chat_service.log import RoomLog
from chat_service.model.entries import Entry, Kind
from chat_service.model.ids import SYSTEM_SENDER
from chat_service.model.redaction import WRITTEN
from chat_service.rooms.service import Rooms

EVERY_S = 3600.0
DAY_MS = 86_400_000
PAGE = 500

log = structlog.get_logger()


class RetentionJob:
    """The job `retention`. `most_days` is how long any room may keep messages, 0 without an end."""

    name = "retention"

    def __init__(
        self,
        rooms: Rooms,
        room_log: RoomLog,
        directory: RoomDirectory,
        cursors: JobCursors,
        *,
        most_days: int,
        clock_ms: Callable[[], int],
    ) -> None:
        self._rooms = rooms
        self._log = room_log
        self._directory = directory
        self._cursors = cursors
        self._most_days = most_days
        self._clock_ms = clock_ms
        self._next = 0.0

    async def about(self, rooms: Collection[str]) -> list[Work]:
        """See Job. What is written now is not old."""
        del rooms
        return []

    async def due(self) -> AsyncIterator[list[Work]]:
        """See Job. Every room that keeps messages for a while only, once in EVERY_S."""
        if time.monotonic() < self._next:
            return
        after = ""
        while found := await self._page(after):
            after = found[-1]
            yield [Work(self.name, "", room) for room in found]
        self._next = time.monotonic() + EVERY_S

    async def _page(self, after: str) -> list[str]:
        if self._most_days:
            return [room for room, _ in await self._log.changed_rooms(after, PAGE)]
        return [room for room, _ in await self._directory.retaining(after, PAGE)]

    async def run(self, work: Work, stopping: asyncio.Event) -> float | None:
        """See Job."""
        room = work.room
        writer = await self._rooms.active.load(room)
        await writer.refresh()
        state = writer.state
        days = [days for days in (state.retention_days, self._most_days) if days]
        if not days:
            return None
        now = self._clock_ms()
        begin = (await self._cursors.of(self.name, [room])).get(room, 0)
        seen, upto = await self._expired(room, begin, now - min(days) * DAY_MS, now, stopping)
        if upto > state.retained_upto:
            body = {"upto": upto}
            await self._rooms.act(SYSTEM_SENDER, room, Kind.RETAIN, body, key=f"retain.{upto}")
            log.info("retention.removed", room=room, upto=upto)
            await self._rooms.redactor.overwrite(room)
        if seen > begin:
            # Last: what a stop interrupts before is looked at again. Another worker's cursor is as good as ours.
            await self._cursors.advance(self.name, room, begin, seen)
        return 0.0 if stopping.is_set() else None

    async def _expired(
        self, room: str, begin: int, cutoff: int, now: int, stopping: asyncio.Event
    ) -> tuple[int, int]:
        """Up to which seq everything was written before `cutoff`, and the last message or edit up to there.

        It ends at the first entry that is younger, in the order of the log. One whose time is yet to come was
        written while a clock was wrong: its neighbours say how old it is.
        """
        seen, last = begin, 0
        while not stopping.is_set() and (page := await self._log.read(room, seen, PAGE)):
            old = _before(page, cutoff, now)
            if old:
                seen = old[-1].seq
                last = max([last, *(entry.seq for entry in old if _removable(entry))])
            if len(old) < len(page):
                break
        return seen, last


def _removable(entry: Entry) -> bool:
    return entry.kind in WRITTEN and not entry.redacted


def _before(page: list[Entry], cutoff: int, now: int) -> list[Entry]:
    """The first entries of `page`, up to the last that is older than `cutoff` with nothing younger before it."""
    end = 0
    for count, entry in enumerate(page, start=1):
        if entry.ts < cutoff:
            end = count
        elif entry.ts <= now:
            break
    return page[:end]
