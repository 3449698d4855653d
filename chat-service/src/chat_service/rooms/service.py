"""Rooms as the edges use them: writing and live delivery, and the doors to browsing and personal matters."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from chat_service.bus import (
    Appended,
    Bus,
    HandOver,
    HandOverAnswer,
    Hint,
    Life,
    Message,
    PersonalEvent,
    Present,
    RoomChanged,
    RoomFrame,
)
from chat_service.directory.rooms import RoomDirectory
from chat_service.log import RoomLog
from chat_service.model import ids
from chat_service.model.entries import Kind
from chat_service.model.errors import ChatError, Code, forbidden, not_found
from chat_service.model.permissions import Action
from chat_service.model.rooms import STATE_KINDS, HistoryAccess, RoomKind, RoomState, Visibility
from chat_service.model.writes import Write, digest_of
from chat_service.observability.metrics import Metrics
from chat_service.rooms.active import ActiveRooms
from chat_service.rooms.attachments import Attachments
from chat_service.rooms.attendance import ONLINE_MOST
from chat_service.rooms.audience import Audience
from chat_service.rooms.browsing import Browsing
from chat_service.rooms.deciding import Receipt, outcome_of
from chat_service.rooms.delivery import Delivery
from chat_service.rooms.handover import Handovers
from chat_service.rooms.hub import Subscription
from chat_service.rooms.lists import RoomLists
from chat_service.rooms.opening import Held, Opened, Openings
from chat_service.rooms.personal import Personal
from chat_service.rooms.presence import Presence
from chat_service.rooms.publishing import People, Publisher
from chat_service.rooms.readers import Reader
from chat_service.rooms.reading import LogReader
from chat_service.rooms.redacting import Redactor
from chat_service.rooms.station import RoomsLimits, Station
from chat_service.rooms.unread import UnreadReports
from chat_service.rooms.views import RoomView
from chat_service.rooms.waiting import Alone
from chat_service.rooms.writer import RoomWriter


class Rooms:
    """Everything about rooms on one node: looking things up is `browsing`, one's own matters are `personal`.

    Every method raises ChatError: `not_found` for what is not there or may not be seen, `forbidden` for what
    the caller's role does not allow, `unavailable` where the store cannot be reached.
    """

    def __init__(
        self,
        room_log: RoomLog,
        directory: RoomDirectory,
        bus: Bus,
        people: People,
        attachments: Attachments,
        *,
        station: Station,
        limits: RoomsLimits,
        metrics: Metrics,
    ) -> None:
        self._log = room_log
        self._directory = directory
        self._bus = bus
        self._people = people
        self._metrics = metrics
        self._limits = limits
        self._digest_secret = station.digest_secret
        self.reader = reader = LogReader(room_log)
        unread = UnreadReports(bus, station.node)
        self.publisher = Publisher(bus, directory, unread, people, attachments, room_log, station.incarnation)
        self.redactor = Redactor(room_log, directory, attachments)
        self.delivery = Delivery(
            bus, room_log, reader, self._epoch, limits.delivery, metrics=metrics, clock_ms=station.clock_ms
        )

        self.handovers = Handovers(bus, Life(station.node, station.clock_ms()), station.digest_secret)

        def make_writer(state: RoomState) -> RoomWriter:
            return RoomWriter(
                room_log,
                state,
                self.publisher,
                node=station.node,
                clock_ms=station.clock_ms,
                limits=limits.writer,
                metrics=metrics,
                handovers=self.handovers,
            )

        self.active = ActiveRooms(room_log, directory, make_writer, self.delivery.is_open, limits.writer)
        self.delivery.serve(self.active)
        self.handovers.serve(self.active)
        self.delivery.left = self._left
        self._openings = Openings(self.active, self.delivery, reader, self.publisher)
        self.audience = Audience(self.delivery)
        self._lists = RoomLists(directory, self.active, self.audience)
        self.browsing = Browsing(room_log, directory, reader, self.active, self.publisher)
        self.personal = Personal(room_log, directory, self.browsing, bus)
        self.heard: Callable[[str], None] = _nobody
        self.presence = Presence(bus, station.node, station.clock_ms)
        self.presence.watch(self._attended)
        self.delivery.served = self.presence.served
        self.delivery.unserved = self.presence.unserved
        self._echoes: deque[Hint] = deque()
        self._echoing: asyncio.Handle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        metrics.writer_queue_entries.set_function(self.active.waiting)

    @property
    def bus_healthy(self) -> bool:
        """Whether what other nodes append arrives here at once."""
        return self._bus.healthy

    # -- life -----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen to the bus, and finish what an earlier process left undone."""
        self._bus.listen(self._receive)
        await self._bus.start()
        await self.active.sweep()
        await self.redactor.start()

    async def finish(self) -> None:
        """Return once everything that was taken is stored and acked."""
        await self.active.finish()

    async def stop(self) -> None:
        """Stop delivering; call `finish` before."""
        await self.redactor.stop()
        await self.handovers.stop()
        await self.delivery.stop()
        await self.presence.stop()
        if self._echoing is not None:
            self._echoing.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._bus.stop()

    # -- writing --------------------------------------------------------------------------------------

    def submit(
        self,
        user: str,
        room: str,
        kind: Kind,
        body: dict[str, Any],
        *,
        key: str | None = None,
        target: int | None = None,
        origin: object = None,
    ) -> asyncio.Future[Receipt]:
        """Queue a write, in the order of calls. `origin` is the connection it comes from.

        The future brings the receipt once the entry is durably stored, or the ChatError that refuses it.
        Raises ChatError `rate_limited` or `overloaded` where too much is written to the room.
        """
        if kind not in STATE_KINDS:
            self._throttle(user, room)
        write = Write(
            kind=kind,
            sender=user,
            key=key if key is not None else ids.new_token(96),
            digest=digest_of(self._digest_secret, kind, target, body),
            body=body,
            target=target,
            own_key=key is not None,
        )
        answer = self.active.submit(room, write, origin if origin is not None else Alone())
        answer.add_done_callback(lambda done: self._metrics.sends.labels(outcome_of(done)).inc())
        if kind in {Kind.DELETE, Kind.ERASE, Kind.RETAIN}:
            answer.add_done_callback(lambda _: self.redactor.note(room))
        return answer

    def _throttle(self, user: str, room: str) -> None:
        # Only for who may see the room: nobody else can use up what its people are allowed.
        writer = self.active.get(room)
        if writer is not None and writer.state.permits(user, Action.READ):
            self._limits.writes_of(room)

    async def act(
        self,
        user: str,
        room: str,
        kind: Kind,
        body: dict[str, Any],
        *,
        key: str | None = None,
        target: int | None = None,
    ) -> Receipt:
        """`submit` and wait for the receipt."""
        return await self.submit(user, room, kind, body, key=key, target=target)

    async def create_channel(
        self,
        user: str,
        *,
        name: str,
        topic: str = "",
        visibility: Visibility = Visibility.PRIVATE,
        history: HistoryAccess = HistoryAccess.ALL,
        guests: bool = False,
        key: str | None = None,
    ) -> RoomView:
        """Make a channel and its first entry; the same key makes the same channel again."""
        self._no_guest(user)
        room = ids.new_channel_id() if key is None else ids.keyed_channel_id(user, key)
        body = {
            "kind": RoomKind.CHANNEL.value,
            "name": name,
            "topic": topic,
            "visibility": visibility.value,
            "history": history.value,
            "guests": guests,
        }
        await self.act(user, room, Kind.CREATE, body, key=key)
        return await self.browsing.view(user, room)

    async def open_direct(self, user: str, other: str) -> RoomView:
        """The direct-message room of two people, made on first use. Raises `invalid` for a room with oneself."""
        self._no_guest(user)
        if user == other:
            raise ChatError(Code.INVALID, "A direct-message room is for two people.")
        if other not in await self._people.names([other]):
            raise not_found("There is no such person.")
        room = ids.direct_room_id(user, other)
        body = {"kind": RoomKind.DIRECT.value, "members": sorted((user, other))}
        return await self._made_once(user, room, user, body)

    async def open_by_name(self, user: str, name: str) -> RoomView:
        """The original protocol's room of that name, made on first use; open to guests, `user` sees it."""
        body = {
            "kind": RoomKind.OPEN.value,
            "name": name,
            "visibility": Visibility.PUBLIC.value,
            "guests": True,
        }
        return await self._made_once(ids.SYSTEM_SENDER, ids.open_room_id(name), user, body)

    async def _made_once(self, maker: str, room: str, user: str, body: dict[str, Any]) -> RoomView:
        if not (await self.active.load(room)).state.exists:
            write = Write(
                Kind.CREATE, maker, "create", digest_of(b"", Kind.CREATE, None, body), body, own_key=False
            )
            try:
                await self.active.submit(room, write, Alone())
            except ChatError as problem:
                if problem.code is not Code.CONFLICT:  # somebody else made it first: that is as good
                    raise
        return await self.browsing.view(user, room)

    def _no_guest(self, user: str) -> None:
        if user[:1] != ids.USER_REGISTERED:
            raise forbidden("Guests cannot make rooms. Register to do so.")

    async def erase_user(self, user: str) -> int:
        """Redact everything `user` ever wrote; returns in how many rooms. Idempotent."""
        rooms = await self._directory.rooms_ever(user)
        for room in rooms:
            head = await self._log.head(room)
            body = {"user": user, "upto": head.seq}
            await self.act(ids.SYSTEM_SENDER, room, Kind.ERASE, body, key=f"erase.{user}.{head.seq}")
            await self.redactor.overwrite(room)
        return len(rooms)

    # -- life of the node: what other processes wrote ------------------------------------------------

    async def look_again(self) -> None:
        """Catch up with what another process may have written to the store: logs, roles, room lists."""
        await self.active.refresh()
        self.redactor.look_again()
        await self.delivery.check_tails()
        await self._lists.look_again()

    async def heal(self) -> None:
        """Make up for hints that never came, and for what a node that died has left undone."""
        await self.active.refresh()
        await self.active.sweep()
        self.redactor.look_again()
        await self._lists.look_again()

    # -- live -----------------------------------------------------------------------------------------

    async def connect(self, reader: Reader) -> None:
        """Bring a connection into the audience: it hears of its rooms. `disconnect` it also where this raises."""
        # Entered before its rooms are read: a change between the two finds it, and is newer than the rows.
        self.audience.enter(reader, ())
        for row in await self._directory.rooms_of(reader.user):
            writer = self.active.get(row.room)
            member = writer is None or reader.user in writer.state.members
            self.audience.set_member(row.room, reader.user, member=member)

    def disconnect(self, reader: Reader, rooms: Collection[str]) -> None:
        """Take a connection that has `rooms` open out again."""
        for room in rooms:
            self.close(reader, room)
        self.audience.leave(reader)

    async def open(self, reader: Reader, room: str, held: Held) -> tuple[Opened, list[str]]:
        """One page of an opening, and who is present. See `Openings.open` for when it must be written."""
        opened = await self._openings.open(reader, room, held)
        self._metrics.resumes.labels("reset" if opened.reset else "page" if opened.more else "live").inc()
        if not opened.more:
            self.presence.enter(room, reader.id, Present(reader.user))
        online = [person.id for person in self.presence.present(room) if not person.name]
        return opened, online[:ONLINE_MOST]

    async def listen(self, reader: Reader, room: str) -> None:
        """Bring a connection everything that happens in a room from now on."""
        await self._openings.listen(reader, room)

    def close(self, reader: Reader, room: str) -> None:
        """End a connection's subscription of a room; nothing where it has none."""
        hub = self.delivery.hub(room)
        if hub is not None and reader.id in hub.subscriptions:
            self.delivery.close(hub, hub.subscriptions[reader.id])

    def hint(self, room: str, event: str, payload: dict[str, Any], *, origin: str = "") -> None:
        """Tell everyone who has the room open something that may be lost."""
        self._bus.publish(Hint(room, event, msgspec.json.encode(payload), origin))

    def echo(self, room: str, event: str, payload: dict[str, Any], *, origin: str = "") -> None:
        """`hint` for this node only, where every node learns by itself what there is to tell."""
        if self.delivery.is_open(room):
            # Not at once: it may be told while something else is being written to the same connections.
            self._echoes.append(Hint(room, event, msgspec.json.encode(payload), origin))
            if self._echoing is None:
                self._echoing = asyncio.get_running_loop().call_soon(self._deliver_echoes)

    def _deliver_echoes(self) -> None:
        self._echoing = None
        while self._echoes:
            self.delivery.receive_hint(self._echoes.popleft())

    def typing(self, reader: Reader, room: str, *, on: bool) -> None:
        """Say that somebody types. Raises `not_found` unless the connection has the room open and may write."""
        writer = self.active.get(room)
        if writer is None or not self.delivery.has_open(reader, room):
            raise not_found("Open the room first.")
        if not writer.state.permits(reader.user, Action.SEND):
            raise forbidden("Only members of this room may write in it. Join it first.")
        self.hint(room, "typing", {"room": room, "user": reader.user, "on": on}, origin=reader.id)

    def _left(self, room: str, subscription: Subscription) -> None:
        self.presence.leave(room, subscription.reader.id)

    def _attended(self, room: str, person: Present, here: bool, origin: str) -> None:
        if not person.name:
            self.echo(room, "presence", {"room": room, "user": person.id, "online": here}, origin=origin)

    def _receive(self, message: Message) -> None:
        if isinstance(message, RoomFrame):
            self.delivery.receive_frame(message)
        elif isinstance(message, Hint):
            self.delivery.receive_hint(message)
        elif isinstance(message, Appended):
            self.audience.report(message)
            for room in message.rooms:
                self.heard(room)
        elif isinstance(message, PersonalEvent):
            self.audience.pass_on(message)
        elif isinstance(message, HandOver):
            self.handovers.take(message)
        elif isinstance(message, HandOverAnswer):
            self.handovers.answered(message)
        elif isinstance(message, RoomChanged):
            self._own(self._lists.tell(message))
        else:
            self.presence.receive(message)

    def _own(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _epoch(self, writer: RoomWriter) -> str:
        return self.publisher.epoch(writer.state)


def _nobody(room: str) -> None:
    del room
