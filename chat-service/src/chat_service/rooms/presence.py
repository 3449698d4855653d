"""Presence: who has a room open right now, on all nodes. Derived from connections and never stored.

Nodes tell each other who comes and goes on the room's channel, and now and then who is there; a node that
begins to serve a room asks. Whatever of that is lost is made good by the next report. A node that is not heard
for a while is taken for gone, and its people with it; without a bus everyone present is on this node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice

import msgspec
import structlog

from chat_service.bus import (
    Alive,
    Attendance,
    AttendanceWanted,
    Attended,
    Bus,
    Life,
    Message,
    Present,
    WhoAttends,
)
from chat_service.rooms.attendance import ONLINE_MOST, Change, RoomAttendance
from chat_service.rooms.peers import Peers

TICK_S = 1.0

REPORT_EVERY_S = 15.0
"""Between two reports of a room's people, where there are not too many rooms for that."""

REPORTS_PER_S = 200
"""Most reports of a node on its own account: with more rooms than these allow, each comes less often."""

ANSWER_EVERY_S = 0.05
"""Least time between two answers for one room: many who ask are answered together."""

ANSWERS_WITHIN_S = 0.05
"""How long an opening waits for the others' answers; who answers later is told as having come."""

WALK_ROOMS = 50
WALK_EVERY_S = 0.1
"""After an interruption rooms are reported and asked for in steps of so many."""

log = structlog.get_logger()

Watcher = Callable[[str, Present, bool, str], None]


class _Answering(msgspec.Struct):
    """A room that was just reported to who asked: until `timer`, who asks only notes it."""

    timer: asyncio.TimerHandle
    asked: bool = False


class _Asked:
    """An opening that waits for answers."""

    __slots__ = ("answered", "missing")

    def __init__(self, missing: set[str]) -> None:
        self.missing = missing
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Presence:
    """`served` and `unserved` are called as the room's channel is subscribed here and no longer is."""

    def __init__(self, bus: Bus, node: str, clock_ms: Callable[[], int]) -> None:
        self._bus = bus
        self._node = node
        self._clock_ms = clock_ms
        self._peers = Peers(bus, node, self._now, self._meet, self._forget)
        self._still_s = 0.0
        self._changes = 0
        self._rooms: dict[str, RoomAttendance] = {}
        self._watchers: list[Watcher] = []
        self._reported: dict[str, float] = {}
        self._answering: dict[str, _Answering] = {}
        self._asked: dict[str, _Asked] = {}
        self._wanted: set[tuple[str, str]] = set()
        self._to_walk: dict[str, None] = {}
        self._walking: asyncio.TimerHandle | None = None
        self._ticking: asyncio.Task[None] | None = None

    # -- life -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Say that this node is there, and go on saying so: for who serves, not for commands."""
        self._peers.begin(self._clock_ms())
        self._bus.watch(self._bus_changed)
        self._ticking = asyncio.get_running_loop().create_task(self._tick(), name="presence")

    async def stop(self) -> None:
        """Say goodbye: the others take everyone here for gone at once."""
        if self._ticking is None:
            return
        self._ticking.cancel()
        await asyncio.gather(self._ticking, return_exceptions=True)
        self._ticking = None
        for answering in self._answering.values():
            answering.timer.cancel()
        if self._walking is not None:
            self._walking.cancel()
        self._peers.leave()

    def watch(self, changed: Watcher) -> None:
        """Call `changed(room, person, here, origin)` for everyone who comes to a room or goes, counted over all
        nodes; `origin` is the connection by which they did, empty where that is another node's.
        """
        self._watchers.append(changed)

    # -- connections of this node ---------------------------------------------------------------------

    def enter(self, room: str, connection: str, person: Present) -> None:
        """Note that a connection has the room open; if it had it open as somebody else, those have gone."""
        attendance = self._rooms.get(room)
        if attendance is not None and attendance.by(connection) == person:
            return
        self.leave(room, connection)
        attendance = self._rooms.setdefault(room, RoomAttendance())
        changes = attendance.enter(connection, person)
        self._reported.setdefault(room, self._now())
        self._tell_others(room, attendance, person)
        self._tell(room, changes, connection)

    def leave(self, room: str, connection: str) -> None:
        """Note that a connection has not; nothing where it had not anyway."""
        attendance = self._rooms.get(room)
        person = None if attendance is None else attendance.by(connection)
        if attendance is None or person is None:
            return
        changes = attendance.leave(connection)
        self._tell_others(room, attendance, person)
        self._tell(room, changes, connection)
        self._drop_if_unused(room)

    def present(self, room: str) -> list[Present]:
        """Everyone in the room, each once."""
        attendance = self._rooms.get(room)
        return [] if attendance is None else attendance.present()

    def named(self, room: str) -> int:
        """How many people of the original protocol are in the room, also where not all are listed."""
        attendance = self._rooms.get(room)
        return 0 if attendance is None else attendance.named()

    def named_here(self, room: str) -> int:
        """How many of them are on this node."""
        attendance = self._rooms.get(room)
        return 0 if attendance is None else attendance.named_here

    # -- rooms of this node ---------------------------------------------------------------------------

    async def served(self, room: str) -> None:
        """Ask the other nodes who is in the room; returns when all have answered, or a short while later."""
        self._rooms.setdefault(room, RoomAttendance()).served = True
        if not self._peers or not self._bus.healthy:
            return
        asked = self._asked[room] = _Asked(set(self._peers.names()))
        self._bus.publish(WhoAttends(room, self._peers.life))
        await asyncio.wait((asked.answered,), timeout=ANSWERS_WITHIN_S)
        if self._asked.get(room) is asked:
            del self._asked[room]

    def unserved(self, room: str) -> None:
        """Forget who is there on other nodes: nobody here wants to know it."""
        attendance = self._rooms.get(room)
        if attendance is not None:
            attendance.served = False
            self._drop_if_unused(room)

    def _drop_if_unused(self, room: str) -> None:
        attendance = self._rooms[room]
        if not attendance and not attendance.served:
            del self._rooms[room]
            self._reported.pop(room, None)

    # -- telling others -------------------------------------------------------------------------------

    def _tell_others(self, room: str, attendance: RoomAttendance, person: Present) -> None:
        """Tell that somebody came here or went, where they did and are listed."""
        listed, here = attendance.listed, attendance.is_here(person)
        if not self._peers or here == (person in listed) or (here and len(listed) >= ONLINE_MOST):
            return
        if here:
            listed[person] = None
        else:
            del listed[person]
        if len(listed) == (1 if here else 0):
            # The first and the last: a report says the same, and also makes good what was lost before.
            self._report(room)
            return
        after, attendance.change = attendance.change, self._number()
        told = Attended(room, self._peers.life, attendance.change, after, person, here, attendance.named_here)
        self._bus.publish(told)

    def _report(self, room: str) -> None:
        attendance = self._rooms.get(room)
        if attendance is None:
            return
        people = attendance.list_all()
        attendance.change = self._number()
        self._reported.pop(room, None)
        if people:
            self._reported[room] = self._now()
        named, again_s = attendance.named_here, self._report_every_s()
        self._bus.publish(Attendance(room, self._peers.life, attendance.change, people, named, again_s))

    def _number(self) -> int:
        self._changes += 1
        return self._changes

    def _report_every_s(self) -> float:
        return max(REPORT_EVERY_S, len(self._reported) / REPORTS_PER_S)

    def _answer(self, room: str) -> None:
        """Report a room to who asks; those who ask again before long are answered once, at the end of it."""
        if room not in self._rooms:
            return
        again = self._answering.get(room)
        if again is None:
            self._report(room)
            later = asyncio.get_running_loop().call_later(ANSWER_EVERY_S, self._answered, room)
            self._answering[room] = _Answering(later)
        else:
            again.asked = True

    def _answered(self, room: str) -> None:
        if self._answering.pop(room).asked:
            self._answer(room)

    # -- hearing others -------------------------------------------------------------------------------

    def receive(self, message: Message) -> None:
        """Take in what another node says; other messages than those of presence are none of its business."""
        if isinstance(message, Attendance):
            self._take_report(message)
        elif isinstance(message, Attended):
            self._take_told(message)
        elif isinstance(message, WhoAttends):
            if self._peers.hear(message.life):
                self._answer(message.room)
        elif isinstance(message, AttendanceWanted):
            if message.room:
                self._answer(message.room)
            else:
                self._walk_all()
        elif isinstance(message, Alive):
            if message.leaving:
                self._peers.farewell(message.life)
            else:
                self._peers.hear(message.life)

    def _take_report(self, report: Attendance) -> None:
        attendance = self._rooms.get(report.room)
        if not self._peers.hear(report.life) or attendance is None or not attendance.served:
            return
        self._tell(report.room, attendance.report(report, self._now()))
        asked = self._asked.get(report.room)
        if asked is not None:
            asked.missing.discard(report.life.node)
            if not asked.missing and not asked.answered.done():
                asked.answered.set_result(None)

    def _take_told(self, told: Attended) -> None:
        attendance = self._rooms.get(told.room)
        if not self._peers.hear(told.life) or attendance is None or not attendance.served:
            return
        changes, missed = attendance.told(told, self._now())
        self._tell(told.room, changes)
        wanted = (told.life.node, told.room)
        if missed and wanted not in self._wanted:
            self._wanted.add(wanted)
            self._bus.publish(AttendanceWanted(told.life.node, self._node, told.room))

    def _meet(self, life: Life) -> None:
        """Bring a node up to date that was not known, and be brought up to date."""
        self._peers.greet()
        # One of the two does it for both: who began later, since it has fewer rooms.
        if (life.began, life.node) < (self._peers.life.began, self._node):
            self._walk_all()
        else:
            self._bus.publish(AttendanceWanted(life.node, self._node))

    def _forget(self, node: str) -> None:
        for room, attendance in list(self._rooms.items()):
            self._tell(room, attendance.forget(node))

    def _tell(self, room: str, changes: Iterable[Change], origin: str = "") -> None:
        for person, here in changes:
            for changed in self._watchers:
                changed(room, person, here, origin)

    # -- upkeep ---------------------------------------------------------------------------------------

    def _bus_changed(self) -> None:
        if self._bus.healthy:
            self._peers.greet()
            self._walk_all()

    def _walk_all(self) -> None:
        """Report every room and ask for it, a few at a time."""
        self._to_walk = dict.fromkeys(self._rooms)
        if self._walking is None:
            self._walk()

    def _walk(self) -> None:
        self._walking = None
        for room in list(islice(self._to_walk, WALK_ROOMS)):
            del self._to_walk[room]
            attendance = self._rooms.get(room)
            if attendance is not None and attendance.served:
                self._report(room)
                self._bus.publish(WhoAttends(room, self._peers.life))
        if self._to_walk:
            self._walking = asyncio.get_running_loop().call_later(WALK_EVERY_S, self._walk)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                self._peers.look_after()
                if self._peers:
                    self._look_after(self._now())
            except Exception:  # a defect of ours must not make this node seem dead to the others
                log.exception("presence.failed")
            before = loop.time()
            await asyncio.sleep(TICK_S)
            self._still_s += max(0.0, loop.time() - before - 2 * TICK_S)

    def _now(self) -> float:
        """Seconds in which this process ran: while it stood still it could not hear anybody."""
        return asyncio.get_running_loop().time() - self._still_s

    def _look_after(self, now: float) -> None:
        self._wanted.clear()
        for room, attendance in list(self._rooms.items()):
            self._tell(room, attendance.overdue(now))
        every_s = self._report_every_s()
        oldest = islice(self._reported.items(), REPORTS_PER_S)
        for room in [room for room, at in oldest if at + every_s <= now]:
            self._report(room)
