"""Delivery on one node: the hubs of the rooms that are open here, fed by the bus and healed from the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from chat_service.bus import Bus, Hint, Item, RoomFrame
from chat_service.log import RoomLog
from chat_service.model.entries import EMPTY, Head
from chat_service.model.errors import ChatError, unavailable
from chat_service.model.permissions import Action
from chat_service.observability.metrics import Metrics
from chat_service.rooms.active import ActiveRooms
from chat_service.rooms.backoff import jittered
from chat_service.rooms.batches import batched
from chat_service.rooms.hub import Phase, RoomHub, Subscription
from chat_service.rooms.readers import Reader
from chat_service.rooms.reading import LogReader
from chat_service.rooms.writer import RoomWriter

RETRY_S = 1.0
"""Longest pause after which something that the store refused is tried again."""

LOOK_S = 0.5
"""How long the log's end is waited for before a resume makes do with what is in memory; where it did not come,
the next resumes do not wait for it for as long as RETRY_S.
"""

TAILS_AT_ONCE = 500
"""Rooms whose log's end is asked for in one read."""

HELD_AT_ONCE = 16
"""Rooms behind their log for which the last delivered entry is compared at a time."""

PAUSED_MOST_S = 30.0
"""How long a client may take from one page of a resume to the next."""

log = structlog.get_logger()


@dataclass(slots=True, frozen=True)
class DeliveryLimits:
    """Entries: in a hub's ring, in a page read from the log, and the most that a resume may be behind."""

    ring_entries: int = 256
    page_entries: int = 200
    resume_max_entries: int = 1000


class Delivery:
    """Owns the hubs. A hub lives as long as a connection has its room open.

    `left` is called with every subscription that ended, whatever ended it. `served` is awaited when a room's
    channel has been subscribed, `unserved` called when it is subscribed no longer.
    """

    def __init__(
        self,
        bus: Bus,
        room_log: RoomLog,
        reader: LogReader,
        epoch_of: Callable[[RoomWriter], str],
        limits: DeliveryLimits,
        metrics: Metrics,
        clock_ms: Callable[[], int],
    ) -> None:
        self.limits = limits
        self._metrics = metrics
        self._clock_ms = clock_ms
        self.left: Callable[[str, Subscription], None] = _nobody_cares
        self.served: Callable[[str], Awaitable[None]] = _nobody_waits
        self.unserved: Callable[[str], None] = _nobody_minds
        self._bus = bus
        self._log = room_log
        self._reader = reader
        self._epoch_of = epoch_of
        self._rooms: ActiveRooms | None = None
        self._hubs: dict[str, RoomHub] = {}
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._blind_until = 0.0

    def serve(self, rooms: ActiveRooms) -> None:
        """Say where rooms are loaded from; they in turn ask `is_open` before letting one go."""
        self._rooms = rooms

    def is_open(self, room: str) -> bool:
        """Whether a connection of this node has the room open."""
        return room in self._hubs or room in self._starting

    def hub(self, room: str) -> RoomHub | None:
        """The room's hub, where it is open."""
        return self._hubs.get(room)

    def has_open(self, reader: Reader, room: str) -> bool:
        """Whether the connection has a subscription of the room, live or not."""
        hub = self._hubs.get(room)
        return hub is not None and reader.id in hub.subscriptions

    async def open_hub(self, room: str) -> RoomHub:
        """The room's hub, started: subscribed to the bus first, and only then set behind the log's end.

        The caller attaches to it before its next await: a hub without subscriptions does not last.
        """
        while True:
            hub = self._hubs.get(room)
            starting = self._starting.get(room)
            if starting is not None and starting.done():
                starting = None
            if hub is not None and starting is None:
                return hub
            if starting is None:
                starting = asyncio.get_running_loop().create_task(self._start(room), name=f"open {room}")
                self._starting[room] = starting
                starting.add_done_callback(lambda done: self._started(room, done))
            # Looked up again afterwards: somebody else who waited may have opened and closed it meanwhile.
            await asyncio.shield(starting)

    def _started(self, room: str, done: asyncio.Task[None]) -> None:
        if self._starting.get(room) is done:
            del self._starting[room]
        if not done.cancelled():
            done.exception()  # seen here, should nobody be waiting for it any more

    async def _start(self, room: str) -> None:
        hub = RoomHub(
            room,
            read=self._read,
            behind=self._catch_up,
            changed=self._access_changed,
            flushed=self._measure,
            repaired=self._metrics.gap_repairs.inc,
            ring_entries=self.limits.ring_entries,
        )
        self._hubs[room] = hub
        try:
            await self._bus.subscribe(room)
            hub.start(await self._log.head(room))
            await self.settle_access(hub)
            await self.served(room)
        except BaseException:
            self._hubs.pop(room, None)
            self._unserve(hub)
            raise

    def close(self, hub: RoomHub, subscription: Subscription) -> None:
        """End a subscription; the hub goes with its last one."""
        if subscription.phase is Phase.ENDED:
            return
        hub.detach(subscription)
        self.left(hub.room, subscription)
        self._close_if_empty(hub)

    def _close_if_empty(self, hub: RoomHub) -> None:
        if not hub.subscriptions and self._hubs.get(hub.room) is hub:
            del self._hubs[hub.room]
            self._unserve(hub)

    def _unserve(self, hub: RoomHub) -> None:
        hub.stop()
        self.unserved(hub.room)
        self._own(self._bus.unsubscribe(hub.room), f"unsubscribe {hub.room}")

    async def stop(self) -> None:
        """End everything."""
        for hub in list(self._hubs.values()):
            hub.stop()
        self._hubs.clear()
        tasks = [*self._starting.values(), *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- from the bus ---------------------------------------------------------------------------------

    def receive_frame(self, frame: RoomFrame) -> None:
        """Deliver entries; those of another epoch make every reader open the room anew."""
        hub = self._hubs.get(frame.room)
        if hub is None:
            return
        writer = self._active().get(frame.room)
        if writer is not None and writer.state.exists and frame.epoch != self._epoch_of(writer):
            self.resync(hub)
            return
        hub.deliver(frame.items)

    def receive_hint(self, hint: Hint) -> None:
        """Pass an ephemeral event on."""
        hub = self._hubs.get(hint.room)
        if hub is not None:
            hub.tell(hint.event, hint.wire, besides=hint.origin)

    # -- healing --------------------------------------------------------------------------------------

    async def check_tails(self) -> None:
        """Compare every open room with the log's end: fetch what never arrived, start over where it differs."""
        for hubs in batched(list(self._hubs.values()), TAILS_AT_ONCE):
            held = {hub.room: hub.head for hub in hubs if hub.head is not None}
            heads = await self._log.heads(held.keys())
            differing = [hub for hub in hubs if hub.room in held and heads.get(hub.room, EMPTY) != held[hub.room]]
            for some in batched(differing, HELD_AT_ONCE):
                await asyncio.gather(
                    *(self._compare(hub, held[hub.room], heads.get(hub.room, EMPTY)) for hub in some)
                )

    async def _compare(self, hub: RoomHub, then: Head, now: Head) -> None:
        """Mend a hub that had delivered up to `then` while its log ended with `now`."""
        if now.seq > then.seq and await self._holds(hub.room, then):
            hub.expect_repair(0.0)
        elif hub.head == then:
            self.resync(hub)

    async def reach_end(self, hub: RoomHub) -> None:
        """Deliver everything that the log has by now, so that a redaction the bus lost masks what the ring holds.

        Where the log cannot be read, what is in memory has to do.
        """
        loop = asyncio.get_running_loop()
        if loop.time() < self._blind_until:
            return
        try:
            async with asyncio.timeout(LOOK_S):
                end = await self._log.head(hub.room)
                while hub.last < end.seq and (items := await self._read(hub.room, hub.last)):
                    hub.deliver(items)
        except (ChatError, TimeoutError):
            self._blind_until = loop.time() + RETRY_S

    async def _holds(self, room: str, head: Head) -> bool:
        if head.seq == 0:
            return True
        entry = (await self._log.at(room, [head.seq])).get(head.seq)
        return entry is not None and entry.id == head.id

    def resync(self, hub: RoomHub) -> None:
        """Make every reader open the room anew: its log is another one than the one delivered so far."""
        log.warning("delivery.resync", room=hub.room)
        for subscription in list(hub.subscriptions.values()):
            if not self._notice(subscription.reader, {"kind": "resync", "room": hub.room}):
                subscription.reader.restart()
            self.close(hub, subscription)
        self._active().forget(hub.room)

    def drop_stale(self, now: float) -> None:
        """End paused subscriptions whose client asks for no further page (`now` on the monotonic clock)."""
        for hub in list(self._hubs.values()):
            for subscription in list(hub.subscriptions.values()):
                if subscription.phase is Phase.PAUSED and now - subscription.opened_at > PAUSED_MOST_S:
                    self.close(hub, subscription)
            if hub.room not in self._starting:
                self._close_if_empty(hub)  # whoever had it started may have gone before attaching

    async def _read(self, room: str, after: int) -> Sequence[Item]:
        writer = await self._active().load(room)
        return await self._reader.items(writer.state, after, self.limits.page_entries)

    # -- slow readers and lost access -----------------------------------------------------------------

    def _catch_up(self, hub: RoomHub, subscription: Subscription) -> None:
        self._metrics.slow_readers.inc()
        subscription.catching_up = self._own(self._bring_up(hub, subscription), f"catch up {hub.room}")

    async def _bring_up(self, hub: RoomHub, subscription: Subscription) -> None:
        reader = subscription.reader
        while subscription.phase is Phase.BEHIND and await reader.drained():
            if hub.last - subscription.cursor > self.limits.resume_max_entries:
                if self._notice(reader, {"kind": "resync", "room": hub.room}):
                    subscription.catching_up = None
                    self.close(hub, subscription)
                    return
                # A protocol that has no word for starting over goes on with what comes from now on.
                subscription.cursor = hub.last
            await self.reach_end(hub)
            stretch = None if hub.held else hub.go_live(subscription)
            if stretch is not None:
                self._write(reader, stretch)
                subscription.catching_up = None
                return
            try:
                items = await self._read(hub.room, subscription.cursor)
                # What the bus still owes must not come a second time; and it may shut this reader out.
                hub.deliver(items)
                await self.settle_access(hub)
            except ChatError as problem:
                log.warning("delivery.catch_up_failed", room=hub.room, error=problem.message)
                await asyncio.sleep(jittered(RETRY_S))
                continue
            if items and subscription.phase is Phase.BEHIND and not reader.congested:
                self._write(reader, items)
                subscription.cursor = items[-1].seq

    def _write(self, reader: Reader, items: Sequence[Item]) -> None:
        frames = reader.dialect.entries(items) if items else None
        if frames is not None:
            reader.write(frames)

    def _access_changed(self, hub: RoomHub, changed: Item) -> None:
        writer = self._active().get(hub.room)
        if writer is not None and writer.state.head.seq >= changed.seq:
            self.recheck(hub, writer)
        else:
            # Another node's: until it is read who may not read any more, nobody is written anything.
            hub.hold()
            self._own(self._settle_soon(hub), f"settle {hub.room}")

    async def settle_access(self, hub: RoomHub) -> RoomWriter:
        """Return the room once it is known who may read what the hub has delivered, the others shut out.

        Raises ChatError `unavailable` where the log cannot be read.
        """
        writer = await self._active().load(hub.room)
        while writer.state.head.seq < hub.access_seq:
            known = writer.state.head
            await writer.refresh()
            if writer.state.head == known:
                raise unavailable("The log does not show yet what this room has delivered. Try again.")
        if hub.held:
            self.recheck(hub, writer)
            hub.release()
        return writer

    async def _settle_soon(self, hub: RoomHub) -> None:
        while hub.held and self._hubs.get(hub.room) is hub:
            try:
                await self.settle_access(hub)
            except ChatError as problem:
                log.warning("delivery.access_not_settled", room=hub.room, error=problem.message)
                await asyncio.sleep(jittered(RETRY_S))

    def recheck(self, hub: RoomHub, writer: RoomWriter) -> None:
        """End the subscriptions of everyone who may no longer read."""
        for subscription in list(hub.subscriptions.values()):
            if not writer.state.permits(subscription.reader.user, Action.READ):
                self._notice(subscription.reader, {"kind": "removed", "room": hub.room})
                self.close(hub, subscription)

    def _measure(self, items: Sequence[Item]) -> None:
        # The oldest of a flush stands for it: one observation for each entry would cost more than its write.
        self._metrics.delivery_seconds.observe(max(0, self._clock_ms() - items[0].ts) / 1000)

    def _notice(self, reader: Reader, notice: dict[str, object]) -> bool:
        """Tell a connection something; False where its protocol has no word for that."""
        frames = reader.dialect.event("notice", msgspec.json.encode(notice))
        if frames is not None:
            reader.write(frames)
        return frames is not None

    def _active(self) -> ActiveRooms:
        if self._rooms is None:
            raise RuntimeError("serve() comes before anything else")
        return self._rooms

    def _own(self, work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("delivery.task_failed", task=task.get_name(), exc_info=task.exception())


def _nobody_cares(room: str, subscription: Subscription) -> None:
    del room, subscription


async def _nobody_waits(room: str) -> None:
    del room


def _nobody_minds(room: str) -> None:
    del room
