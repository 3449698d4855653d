"""The hub of one room on one node: what was appended, brought in order to every connection that reads here.

It keeps the last entry it delivered and a ring of the newest ones, encoded. Whatever a bus loses, repeats or
reorders ends here: the next entry is delivered, an older one dropped, a gap waited on briefly and then filled
from the log. Entries that wait are flushed together, once for all readers of a dialect; between two flushes
lies at least as long as the last one took, so that one room never takes more than half of the processor.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum

import structlog

from chat_service.bus import Item
from chat_service.model.entries import Head
from chat_service.model.errors import ChatError
from chat_service.rooms.backoff import jittered
from chat_service.rooms.readers import Dialect, Reader

GAP_WAIT_S = 0.05
"""How long a missing entry may be on its way behind a later one before it is read from the log."""

REPAIR_AGAIN_S = 1.0
"""Longest pause before a gap that could not be filled is tried again."""

RING_BYTES = 512 * 1024
"""Most bytes in a hub's ring: a room of very long messages keeps fewer of them."""

FLUSH_PAUSE_MOST_S = 0.02
"""Longest pause between two flushes, however long the last one took."""


log = structlog.get_logger()


class Phase(Enum):
    """Where a subscription stands between its connection's `room:open` and the end of it."""

    PAUSED = "paused"
    """The client is being answered pages; it holds a cursor and nothing else."""
    LIVE = "live"
    """Everything delivered is written to it."""
    BEHIND = "behind"
    """It read too slowly: it is caught up from its cursor as fast as it drains."""
    ENDED = "ended"


class Subscription:
    """One connection's place in one room. `cursor` is the last seq it holds while it is not live."""

    __slots__ = ("catching_up", "cursor", "opened_at", "phase", "reader")

    def __init__(self, reader: Reader, cursor: int) -> None:
        self.reader = reader
        self.cursor = cursor
        self.phase = Phase.PAUSED
        self.opened_at = time.monotonic()
        self.catching_up: asyncio.Task[None] | None = None


class RoomHub:
    """Ordered local delivery for one room.

    `read(after)` brings the entries after a seq from the log, ready for readers; an empty answer means that
    there are none. `behind` is told of every subscription that was cut, and starts catching it up; `changed`
    of every entry that changes who may read; `flushed` and `repaired` are for measuring. `head` is set by
    `start`; before it, what arrives is kept aside.
    """

    def __init__(
        self,
        room: str,
        *,
        read: Callable[[str, int], Awaitable[Sequence[Item]]],
        behind: Callable[[RoomHub, Subscription], None],
        changed: Callable[[RoomHub, Item], None],
        flushed: Callable[[Sequence[Item]], None],
        repaired: Callable[[], None],
        ring_entries: int,
    ) -> None:
        self.room = room
        self.head: Head | None = None
        self.access_seq = 0
        """Up to where who may read has to be known before anything more is written."""
        self.held = False
        self.subscriptions: dict[str, Subscription] = {}
        self._read = read
        self._behind = behind
        self._changed = changed
        self._flushed = flushed
        self._repaired = repaired
        self._ring: deque[Item] = deque()
        self._ring_bytes = 0
        self._ring_limit = ring_entries
        self._early: dict[int, Item] = {}
        self._live: dict[Dialect, dict[Subscription, None]] = {}
        self._pending: list[Item] = []
        self._flushing: asyncio.Handle | None = None
        self._next_flush = 0.0
        self._repair_timer: asyncio.TimerHandle | None = None
        self._repairing: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def last(self) -> int:
        """The seq delivered last; 0 before the hub has started."""
        return 0 if self.head is None else self.head.seq

    def start(self, head: Head) -> None:
        """Begin behind `head`, the log's end as read after the bus subscription stood."""
        self.head = head
        self.access_seq = head.seq
        self._take_early()
        if self._early:
            self.expect_repair()

    def stop(self) -> None:
        """End every subscription and everything under way."""
        for subscription in list(self.subscriptions.values()):
            self.detach(subscription)
        for handle in (self._flushing, self._repair_timer, self._repairing):
            if handle is not None:
                handle.cancel()
        self._flushing = self._repair_timer = self._repairing = None
        self._stopped = True

    def hold(self) -> None:
        """Write nothing more until `release`: somebody may have to be shut out first."""
        self.held = True

    def release(self) -> None:
        """Go on writing."""
        self.held = False
        if self._pending and self._flushing is None:
            self._schedule_flush()

    # -- what arrives ---------------------------------------------------------------------------------

    def deliver(self, items: Sequence[Item]) -> None:
        """Take entries as they arrive, in any order, any number of times."""
        for item in items:
            if self.head is None or item.seq > self.head.seq + 1:
                self._keep_early(item)
            elif item.seq == self.head.seq + 1:
                self._next(item)
        self._take_early()
        if self._early and self.head is not None:
            self.expect_repair()

    def expect_repair(self, delay_s: float = GAP_WAIT_S) -> None:
        """Read from the log what has not arrived after `delay_s`."""
        if self._repair_timer is None and self._repairing is None and not self._stopped:
            loop = asyncio.get_running_loop()
            self._repair_timer = loop.call_later(delay_s, self._start_repair)

    def _keep_early(self, item: Item) -> None:
        # Beyond the ring's size nothing more is kept: the repair reads it from the log anyway.
        if len(self._early) < self._ring_limit:
            self._early[item.seq] = item

    def _take_early(self) -> None:
        if self.head is None:
            return
        while (item := self._early.pop(self.head.seq + 1, None)) is not None:
            self._next(item)
        if self._early:
            self._early = {seq: item for seq, item in self._early.items() if seq > self.head.seq}

    def _next(self, item: Item) -> None:
        self.head = Head(item.seq, item.id)
        if item.redacts:
            # What it redacts may be in the ring with its body: from here on that is read from the log, masked.
            self._ring.clear()
            self._ring_bytes = 0
        self._ring.append(item)
        self._ring_bytes += len(item.wire)
        while len(self._ring) > self._ring_limit or self._ring_bytes > RING_BYTES:
            self._ring_bytes -= len(self._ring.popleft().wire)
        self._pending.append(item)
        if item.changes_access:
            self.flush()
            self.access_seq = item.seq
            self._changed(self, item)
        elif self.held and (item.redacts or len(self._pending) > self._ring_limit):
            self._cut_everybody()
        elif self._flushing is None:
            self._schedule_flush()

    def _start_repair(self) -> None:
        self._repair_timer = None
        self._repairing = asyncio.get_running_loop().create_task(self._repair(), name=f"repair {self.room}")

    async def _repair(self) -> None:
        try:
            self._repaired()
            while items := await self._read(self.room, self.last):
                self.deliver(items)
        except ChatError as problem:
            log.warning("hub.repair_failed", room=self.room, error=problem.message)
        finally:
            self._repairing = None
            if self._early:
                self.expect_repair(jittered(REPAIR_AGAIN_S))

    # -- who reads ------------------------------------------------------------------------------------

    def attach(self, reader: Reader, cursor: int) -> Subscription:
        """Register a connection, paused at `cursor`; an earlier subscription of it ends."""
        before = self.subscriptions.get(reader.id)
        if before is not None:
            self.detach(before)
        subscription = self.subscriptions[reader.id] = Subscription(reader, cursor)
        return subscription

    def detach(self, subscription: Subscription) -> None:
        """End a subscription: nothing more of this room is written to its connection."""
        if subscription.phase is Phase.LIVE:
            self._leave_live(subscription)
        subscription.phase = Phase.ENDED
        if subscription.catching_up is not None:
            subscription.catching_up.cancel()
        if self.subscriptions.get(subscription.reader.id) is subscription:
            del self.subscriptions[subscription.reader.id]

    def after(self, cursor: int) -> list[Item] | None:
        """The entries after `cursor` up to the last delivered; None where the ring does not reach back."""
        missing = self.last - cursor
        if missing <= 0:
            return []
        if missing > len(self._ring):
            return None
        return list(self._ring)[-missing:]

    def at(self, seq: int) -> Head | None:
        """The entry at `seq` where it is in memory."""
        if self.head is not None and seq == self.head.seq:
            return self.head
        position = seq - self._ring[0].seq if self._ring else -1
        if not 0 <= position < len(self._ring):
            return None
        return Head(seq, self._ring[position].id)

    def go_live(self, subscription: Subscription) -> list[Item] | None:
        """Make a subscription live and return the last stretch after its cursor, copied from the ring.

        What is returned has to be written to the connection before control goes back to the event loop:
        then nothing lies between it and what is delivered later. None, and nothing changes, where the ring
        does not reach back to the cursor.
        """
        if subscription.phase not in {Phase.PAUSED, Phase.BEHIND}:
            raise RuntimeError(
                f"expected a paused or late subscription, got one that is {subscription.phase.value}"
            )
        stretch = self.after(subscription.cursor)
        if stretch is None:
            return None
        self.flush()
        if stretch:
            subscription.cursor = stretch[-1].seq
        subscription.phase = Phase.LIVE
        self._live.setdefault(subscription.reader.dialect, {})[subscription] = None
        return stretch

    def tell(self, name: str, wire: bytes, *, besides: str = "") -> None:
        """Write an event that is no entry to every live connection but the one with id `besides`."""
        if self.held:
            return
        for dialect, group in self._live.items():
            frames = dialect.event(name, wire)
            if frames is None:
                continue
            for subscription in group:
                if subscription.reader.id != besides and not subscription.reader.congested:
                    subscription.reader.write(frames)

    # -- writing --------------------------------------------------------------------------------------

    def _schedule_flush(self) -> None:
        loop = asyncio.get_running_loop()
        wait = self._next_flush - loop.time()
        self._flushing = loop.call_later(wait, self.flush) if wait > 0 else loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is pending to every live connection; those that are congested are cut instead."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if not self._pending or self.held:
            return
        items, self._pending = self._pending, []
        loop = asyncio.get_running_loop()
        began = loop.time()
        for dialect, group in list(self._live.items()):
            self._write(dialect.entries(items), group, items[0].seq - 1)
        self._flushed(items)
        ended = loop.time()
        self._next_flush = ended + min(ended - began, FLUSH_PAUSE_MOST_S)

    def _write(self, frames: object, group: dict[Subscription, None], before: int) -> None:
        if frames is None:
            return
        congested = []
        for subscription in group:
            reader = subscription.reader
            if reader.congested:
                congested.append(subscription)
            else:
                reader.write(frames)
        for subscription in congested:
            self._cut(subscription, before)

    def _cut_everybody(self) -> None:
        before, self._pending = self._pending[0].seq - 1, []
        for subscription in [one for group in self._live.values() for one in group]:
            self._cut(subscription, before)

    def _cut(self, subscription: Subscription, cursor: int) -> None:
        self._leave_live(subscription)
        subscription.phase = Phase.BEHIND
        subscription.cursor = cursor
        self._behind(self, subscription)

    def _leave_live(self, subscription: Subscription) -> None:
        group = self._live.get(subscription.reader.dialect, {})
        group.pop(subscription, None)
        if not group:
            self._live.pop(subscription.reader.dialect, None)
