"""Webhooks: what rooms have beyond the cursor of a webhook is delivered to it, in the order of each room.

One lane for each webhook and room: an entry is attempted until it arrives or is given up, and only then the
next. A crash repeats at most what had no answer noted; the receiver tells a repeat by the delivery's id.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence

import structlog

from chat_service.directory.cursors import JobCursors
from chat_service.directory.webhooks import EVERY_ROOM, Delivery, DeliveryState, Webhook, WebhookDirectory
from chat_service.jobs import Work
from chat_service.jobs.delivering import Deliverer, Verdict
from chat_service.log import RoomLog
from chat_service.model.entries import Entry
from chat_service.model.ids import delivery_id
from chat_service.observability.metrics import Metrics
from chat_service.rooms.active import ActiveRooms
from chat_service.rooms.reading import LogReader

PAGE = 50
ROOMS_PAGE = 500
STALE_S = 1.0
"""A page read longer ago is read anew: what it holds may have been redacted since."""

SLICE_S = 5.0
"""After so long a lane makes room for others."""

LANES_MOST = 4
"""Lanes of one webhook that a worker has open at once: a slow receiver leaves slots for the others."""

log = structlog.get_logger()


def cursor_name(webhook: str) -> str:
    """The job that a webhook's cursors are kept under."""
    return f"webhook.{webhook}"


class WebhookJob:
    """The job `webhooks`."""

    name = "webhooks"

    def __init__(
        self,
        hooks: WebhookDirectory,
        cursors: JobCursors,
        room_log: RoomLog,
        reader: LogReader,
        rooms: ActiveRooms,
        deliverer: Deliverer,
        metrics: Metrics,
    ) -> None:
        self._hooks = hooks
        self._cursors = cursors
        self._log = room_log
        self._reader = reader
        self._active = rooms
        self._deliverer = deliverer
        self._metrics = metrics
        self._known: dict[str, list[str]] = {}
        self._open: Counter[str] = Counter()
        self._put_off: Counter[str] = Counter()

    # -- what is due ----------------------------------------------------------------------------------

    async def about(self, rooms: Collection[str]) -> list[Work]:
        """See Job. By the webhooks that the last sweep found."""
        of_all = self._known.get(EVERY_ROOM, [])
        return [Work(self.name, hook, room) for room in rooms for hook in (*of_all, *self._known.get(room, ()))]

    async def due(self) -> AsyncIterator[list[Work]]:
        """See Job."""
        hooks = [hook async for hook in self._enabled()]
        known: dict[str, list[str]] = {}
        for hook in hooks:
            known.setdefault(hook.room, []).append(hook.id)
        self._known = known
        self._deliverer.forget({hook.id for hook in hooks})
        of_one = [hook for hook in hooks if hook.room != EVERY_ROOM]
        of_all = [hook for hook in hooks if hook.room == EVERY_ROOM]
        lag = 0
        for start in range(0, len(of_one), ROOMS_PAGE):
            some = of_one[start : start + ROOMS_PAGE]
            heads = await self._log.heads({hook.room for hook in some})
            for hook in some:
                head = heads.get(hook.room)
                if head is not None:
                    works, behind = await self._behind(hook, {hook.room: head.seq})
                    lag += behind
                    yield works
        after = ""
        while of_all and (found := await self._log.changed_rooms(after, ROOMS_PAGE)):
            after = found[-1][0]
            heads = await self._log.heads([room for room, _ in found])
            for hook in of_all:
                works, behind = await self._behind(hook, {room: head.seq for room, head in heads.items()})
                lag += behind
                yield works
        self._metrics.jobs_lag_entries.labels(self.name).set(lag)

    async def _enabled(self) -> AsyncIterator[Webhook]:
        after = ""
        while found := await self._hooks.enabled(after, ROOMS_PAGE):
            after = found[-1].id
            for hook in found:
                yield hook

    async def _behind(self, hook: Webhook, ends: dict[str, int]) -> tuple[list[Work], int]:
        """The lanes of `hook` whose rooms end at `ends`, beyond its cursor; and how many entries that is."""
        done = await self._cursors.of(cursor_name(hook.id), ends)
        lag = {room: end - done.get(room, 0) for room, end in ends.items() if end > done.get(room, 0)}
        return [Work(self.name, hook.id, room) for room in lag], sum(lag.values())

    # -- one lane -------------------------------------------------------------------------------------

    async def run(self, work: Work, stopping: asyncio.Event) -> float | None:
        """See Job."""
        hook = await self._hooks.get(work.subject)
        if hook is None:
            # Here and not only where it was removed: a worker may have moved a cursor in between.
            await self._cursors.forget(cursor_name(work.subject))
            return None
        if not hook.enabled:
            return None
        if self._open[hook.id] >= LANES_MOST:
            self._put_off[hook.id] += 1
            return 0.2 + 0.05 * self._put_off[hook.id]
        self._put_off[hook.id] = 0
        self._open[hook.id] += 1
        try:
            return await Lane(self, hook, work.room, stopping).run()
        finally:
            self._open[hook.id] -= 1

    async def page(self, room: str, after: int) -> list[Entry]:
        """The next entries of a room, as readers see them now."""
        state = (await self._active.load(room)).state
        return await self._reader.entries(state, after, PAGE)

    async def cursor(self, hook: Webhook, room: str) -> int:
        """Up to where the webhook has the room."""
        return (await self._cursors.of(cursor_name(hook.id), [room])).get(room, 0)

    async def advance(self, hook: Webhook, room: str, at: int, to: int) -> bool:
        """Move on; False where somebody else did, or set the cursor back."""
        return await self._cursors.advance(cursor_name(hook.id), room, at, to)

    async def before(self, hook: Webhook, entry: Entry) -> Delivery | None:
        """What is known of attempts at `entry` that did not end well."""
        found = await self._hooks.delivery(delivery_id(hook.id, entry.room, entry.seq, entry.id))
        return None if found is None or found.state is DeliveryState.DELIVERED else found

    async def note(self, arrived: Sequence[Delivery]) -> None:
        """Remember what arrived."""
        await self._hooks.put(arrived)

    @property
    def deliverer(self) -> Deliverer:
        """What makes the attempts."""
        return self._deliverer


class Lane:
    """One webhook's part of one room, for as long as one claim of it lasts."""

    def __init__(self, job: WebhookJob, hook: Webhook, room: str, stopping: asyncio.Event) -> None:
        self._job = job
        self._hook = hook
        self._room = room
        self._stopping = stopping
        self._until = time.monotonic() + SLICE_S
        self._cursor = 0
        self._first = True
        self._arrived: list[Delivery] = []

    async def run(self) -> float | None:
        """Deliver; returns as `Job.run` does."""
        self._cursor = await self._job.cursor(self._hook, self._room)
        try:
            while entries := await self._job.page(self._room, self._cursor):
                wait_s = await self._deliver(entries)
                if wait_s is not None:
                    return wait_s if wait_s >= 0 else None
            return None
        finally:
            if self._arrived:
                await self._job.note(self._arrived)

    async def _deliver(self, entries: Sequence[Entry]) -> float | None:
        """Deliver a page; None to go on with the next, else as `run`, with -1 for nothing left."""
        stale = time.monotonic() + STALE_S
        unwanted = self._cursor
        for entry in entries:
            if self._hook.events and entry.kind not in self._hook.events:
                unwanted = entry.seq
                continue
            if time.monotonic() >= stale:
                break
            if self._stopping.is_set() or time.monotonic() >= self._until:
                return 0.0 if await self._move(unwanted) else -1.0
            wait_s = await self._attempt(entry)
            if wait_s is not None:
                await self._move(unwanted)
                return wait_s
            if not await self._move(entry.seq):
                return -1.0
            unwanted = entry.seq
        return None if await self._move(unwanted) else -1.0

    async def _attempt(self, entry: Entry) -> float | None:
        """Deliver one entry; None where the lane goes on behind it."""
        deliverer = self._job.deliverer
        # Only the first of a run can have been attempted before, and those that a cursor set back leads to again.
        before = await self._job.before(self._hook, entry) if self._first else None
        self._first = False
        if before is not None and before.state is not DeliveryState.RETRYING:
            return None  # given up, and then stopped before moving on; or asked for again on its own
        wait_s = deliverer.early_s(before) or deliverer.spared_s(self._hook.id)
        if wait_s > 0:
            return wait_s
        outcome = await deliverer.attempt(self._hook, entry, before)
        if outcome.verdict is Verdict.TAKEN:
            self._arrived.append(outcome.delivery)
        if outcome.verdict is Verdict.AGAIN:
            return outcome.wait_s
        return -1.0 if outcome.verdict is Verdict.GONE else None

    async def _move(self, to: int) -> bool:
        """Move the cursor up to `to`; False where it is no longer this lane's to move."""
        if to <= self._cursor:
            return True
        if not await self._job.advance(self._hook, self._room, self._cursor, to):
            log.info("webhook.lane_lost", webhook=self._hook.id, room=self._room)
            return False
        self._cursor = to
        return True
