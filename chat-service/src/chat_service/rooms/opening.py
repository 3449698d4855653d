"""Opening a room: what a client lacks, in order, and then everything live with nothing between.

The subscription stands (the hub is started) before the log is read. A connection that opens is registered
paused, holding a cursor; pages are answered until its cursor meets the hub, and the last stretch is copied
from the hub's ring in the same step in which it goes live.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chat_service.bus import Item
from chat_service.model.entries import Head
from chat_service.model.errors import ChatError, Code, not_found
from chat_service.model.folding import Message
from chat_service.model.permissions import Action, Role
from chat_service.model.rooms import RoomState
from chat_service.rooms.active import ActiveRooms
from chat_service.rooms.delivery import Delivery
from chat_service.rooms.hub import Phase, RoomHub, Subscription
from chat_service.rooms.publishing import Publisher
from chat_service.rooms.readers import Reader
from chat_service.rooms.reading import LogReader, Span
from chat_service.rooms.writer import RoomWriter


class Held(msgspec.Struct, frozen=True):
    """What a client says it holds of a room: the seq and id of its last entry, and the epoch they are of.

    `after` None: it holds nothing and wants the newest page; with `changes` it wants what changed of the room
    between the messages of a reset as well.
    """

    after: int | None = None
    after_id: str | None = None
    epoch: str | None = None
    changes: bool = False


class Reset(msgspec.Struct, frozen=True):
    """A new beginning: the newest messages folded up to `as_of`; `more` says whether there are older ones.

    `changes` are the entries between them that changed the room, where they were asked for.
    """

    messages: list[Message]
    as_of: int
    more: bool
    changes: list[dict[str, Any]] | None = None


class Opened(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to an opening. `entries` are JSON as it is sent, ascending, the first right after what the
    client holds (or after `reset.as_of`). With `more` the client is not live yet and has to ask again from
    `last_seq` and `last_id`, which are those of the last entry it holds once it has taken this answer.
    """

    room: str
    role: Role
    epoch: str
    last_seq: int
    last_id: str
    entries: list[msgspec.Raw]
    more: bool
    reset: Reset | None = None


class Openings:
    """Answers `room:open` for connections of this node."""

    def __init__(self, rooms: ActiveRooms, delivery: Delivery, reader: LogReader, publisher: Publisher) -> None:
        self._rooms = rooms
        self._delivery = delivery
        self._reader = reader
        self._publisher = publisher

    async def open(self, reader: Reader, room: str, held: Held) -> Opened:
        """One page of an opening. It must be written to the connection in the same event loop step.

        Raises ChatError `not_found` for a room that is not there or that the reader may not read (also
        where that changed meanwhile), `unavailable` where the log cannot be read.
        """
        await self._rooms.load_readable(room, reader.user)
        hub = await self._delivery.open_hub(room)
        subscription = hub.attach(reader, cursor=0)
        try:
            if held.after is not None:
                await self._delivery.reach_end(hub)
            writer = await self._delivery.settle_access(hub)
            self._permit(writer.state, reader.user)
            first = writer.state.readable_from(reader.user)
            start = await self._start(writer, held, first)
            if start is None:
                return await self._reset(hub, subscription, writer, first, changes=held.changes)
            return await self._resume(hub, subscription, writer, start)
        except BaseException:
            self._delivery.close(hub, subscription)
            raise

    async def listen(self, reader: Reader, room: str) -> None:
        """Make a connection live from now on, without a page: for protocols that know no history."""
        await self._rooms.load_readable(room, reader.user)
        hub = await self._delivery.open_hub(room)
        subscription = hub.attach(reader, cursor=0)
        try:
            writer = await self._delivery.settle_access(hub)
            self._permit(writer.state, reader.user)
            _still_paused(subscription)
            subscription.cursor = hub.last
            hub.go_live(subscription)
        except BaseException:
            self._delivery.close(hub, subscription)
            raise

    async def _start(self, writer: RoomWriter, held: Held, first: int) -> Head | int | None:
        """Where a resume begins: the entry held last, or a seq before the first readable; None for a reset.

        What is in memory can confirm the entry held; that it is another one only the log may say.
        """
        if held.after is None or (held.epoch is not None and held.epoch != self._publisher.epoch(writer.state)):
            return None
        hub = self._delivery.hub(writer.state.room)
        if hub is None or hub.last - max(held.after, first - 1) > self._delivery.limits.resume_max_entries:
            return None
        if held.after < first:
            # Whoever holds something from before they left would take what follows for all there was.
            return first - 1 if held.after in {0, first - 1} else None
        here = hub.at(held.after)
        if here is not None and held.after_id in {None, here.id}:
            return here
        entry = await self._reader.entry(writer.state, held.after)
        if entry is None or (held.after_id is not None and held.after_id != entry.id):
            return None
        return Head(entry.seq, entry.id)

    async def _resume(
        self, hub: RoomHub, subscription: Subscription, writer: RoomWriter, start: Head | int
    ) -> Opened:
        after, after_id = (start, "") if isinstance(start, int) else (start.seq, start.id)
        subscription.cursor = after
        await self._meet(hub, writer, after)
        items = await self._page(hub, writer, after) if hub.after(after) is None else []
        writer = await self._delivery.settle_access(hub)
        return self._finish(hub, subscription, writer, items, (after, after_id))

    async def _reset(
        self, hub: RoomHub, subscription: Subscription, writer: RoomWriter, first: int, *, changes: bool
    ) -> Opened:
        limit = max(1, self._delivery.limits.page_entries // 4)
        page = await self._reader.history(writer.state, first, Span(changes=changes), limit)
        subscription.cursor = page.as_of
        await self._meet(hub, writer, page.as_of)
        items = await self._page(hub, writer, page.as_of) if hub.after(page.as_of) is None else []
        reset = Reset(page.messages, page.as_of, page.more, page.changes)
        writer = await self._delivery.settle_access(hub)
        return self._finish(hub, subscription, writer, items, (page.as_of, page.as_of_id), reset)

    async def _meet(self, hub: RoomHub, writer: RoomWriter, seq: int) -> None:
        """Bring the hub up to `seq`, which a client holds or is about to: it may be ahead of the bus, and
        must not be given anything twice.
        """
        while hub.last < seq and await self._page(hub, writer, hub.last):
            pass

    async def _page(self, hub: RoomHub, writer: RoomWriter, after: int) -> list[Item]:
        """A page from the log; what reaches beyond the hub's last is delivered to the hub as well."""
        items = await self._reader.items(writer.state, after, self._delivery.limits.page_entries)
        hub.deliver(items)
        return items

    def _finish(
        self,
        hub: RoomHub,
        subscription: Subscription,
        writer: RoomWriter,
        items: list[Item],
        held: tuple[int, str],
        reset: Reset | None = None,
    ) -> Opened:
        """Go live if the cursor meets the hub, without an await before the answer is given back."""
        self._permit(writer.state, subscription.reader.user)
        _still_paused(subscription)
        if items:
            subscription.cursor = items[-1].seq
        stretch = hub.go_live(subscription)
        given = items + (stretch or [])
        last_seq, last_id = (given[-1].seq, given[-1].id) if given else held
        return Opened(
            room=hub.room,
            role=writer.state.role_of(subscription.reader.user),
            epoch=self._publisher.epoch(writer.state),
            last_seq=last_seq,
            last_id=last_id,
            entries=[msgspec.Raw(one.wire) for one in given],
            more=stretch is None,
            reset=reset,
        )

    def _permit(self, state: RoomState, user: str) -> None:
        if not state.exists or not state.permits(user, Action.READ):
            raise not_found("There is no such room.")


def _still_paused(subscription: Subscription) -> None:
    if subscription.phase is not Phase.PAUSED:
        raise ChatError(Code.ABORTED, "The room was opened again or closed meanwhile.")
