"""The loads `fanout` and `paced`: one member of a room speaks, everybody in it hears."""

from __future__ import annotations

import asyncio
import time
from array import array
from typing import TYPE_CHECKING

from bench.job import Job, Outcome
from bench.load.acks import settled
from bench.load.client import Client, connect_all, open_rooms
from bench.load.frames import ACKED, DIGITS, FIRST, MARK, MARKED, Counter, Script
from bench.load.meter import Meter, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

SPIN_S = 0.0015
"""Timers of the event loop have steps of a millisecond: the last stretch before a message is due is spun."""


class Room:
    """What one room's only sender has said, and how far its readers are."""

    def __init__(self, clients: list[Client], script: Script) -> None:
        self.sent = self.acked = self.deliveries = self.lost_clients = self.disorder = 0
        self.everywhere = 0
        """Messages that every reader has."""
        self._holding = [len(clients)]
        """How many readers hold exactly the first 0, 1, 2 … messages."""
        self._speaker = clients[0]
        self._script = script
        for client in clients:
            client.lost = self._client_lost

    def say(self, count: int = 1) -> None:
        """Send the next messages, each in a write of its own: in one, the server would join them for free."""
        first = self.sent
        self.sent += count
        self._holding.extend([0] * count)
        for number in range(first, first + count):
            self._speaker.write(self._script.frame(number))

    def advance(self, held: int, holds: int) -> None:
        """Note that a reader that held so many messages holds more now."""
        holding = self._holding
        self.deliveries += holds - held
        holding[held] -= 1
        holding[holds] += 1
        while not holding[self.everywhere] and self.everywhere < self.sent:
            self.everywhere += 1

    def finished(self) -> bool:
        """Whether all that was said is acknowledged and everywhere."""
        return self.acked >= self.sent and self.everywhere >= self.sent

    def problems(self) -> list[str]:
        """Whatever was not as it has to be; call it once the load has settled."""
        problems = []
        if self.lost_clients:
            problems.append(f"{self.lost_clients} connections were closed")
        if self.acked != self.sent:
            problems.append(f"{self.sent - self.acked} of {self.sent} messages were not acknowledged")
        if self.everywhere != self.sent:
            problems.append(f"{self.sent - self.everywhere} of {self.sent} messages did not reach everybody")
        if self.disorder:
            problems.append(f"{self.disorder} times entries came out of order, twice or not at all")
        return problems

    def _client_lost(self) -> None:
        self.lost_clients += 1


class Reader:
    """One reader: counts what it receives and checks that nothing is missing or in another order."""

    def __init__(self, room: Room, client: Client) -> None:
        self.room = room
        self.holds = 0
        self._rest = b""
        client.listen(self.hear)

    def hear(self, data: bytes) -> None:
        """Take bytes."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        cut = data.find(MARK[:1], max(0, len(data) - MARKED + 1))
        if cut >= 0:  # a mark or its number is still on its way
            data, self._rest = data[:cut], data[cut:]
        at = data.rfind(MARK)
        if at >= 0:
            self._received(data, at + len(MARK))

    def _received(self, data: bytes, last_number: int) -> None:
        """Every message has the number after the one before: so their count says what the last one's is."""
        last = int(data[last_number : last_number + DIGITS]) - FIRST + 1
        if last != self.holds + data.count(MARK):
            self.room.disorder += 1
        if last > self.holds:
            self.room.advance(self.holds, last)
            self.holds = last


class Speaker(Reader):
    """The reader that sends: it counts its acknowledgements too, and in a closed loop sends when it may."""

    def __init__(self, room: Room, client: Client, in_flight: int) -> None:
        super().__init__(room, client)
        self.in_flight = in_flight
        self._acks = Counter(ACKED)

    def hear(self, data: bytes) -> None:
        """Take bytes."""
        self.room.acked += self._acks.count(data)
        super().hear(data)
        self.go_on()

    def go_on(self) -> None:
        """Fill up what may be in flight; a message is in flight until it is acknowledged and everywhere."""
        room = self.room
        free = self.in_flight - (room.sent - min(room.everywhere, room.acked))
        if free > 0:
            room.say(free)


class LoopReader(Reader):
    """A reader of a closed loop: whoever is the last to have a message lets the speaker go on."""

    def __init__(self, room: Room, client: Client, speaker: Speaker) -> None:
        super().__init__(room, client)
        self._speaker = speaker

    def _received(self, data: bytes, last_number: int) -> None:
        before = self.room.everywhere
        super()._received(data, last_number)
        if self.room.everywhere != before:
            self._speaker.go_on()


class PacedReader(Reader):
    """A reader of an open loop: looks at every message, and how late it is."""

    def __init__(self, room: Room, client: Client, due: Sequence[float], delays: array[float]) -> None:
        super().__init__(room, client)
        self._due = due
        self._delays = delays

    def _received(self, data: bytes, last_number: int) -> None:
        del last_number
        now, due, delays = time.monotonic(), self._due, self._delays
        for part in data.split(MARK)[1:]:
            number = int(part[:DIGITS]) - FIRST
            if number != self.holds:
                self.room.disorder += 1
            if number >= self.holds:
                self.room.advance(self.holds, number + 1)
                self.holds = number + 1
            delays.append(now - due[number])


class PacedSpeaker(PacedReader):
    """The reader that sends in an open loop."""

    def __init__(self, room: Room, client: Client, due: Sequence[float], delays: array[float]) -> None:
        super().__init__(room, client, due, delays)
        self._acks = Counter(ACKED)

    def hear(self, data: bytes) -> None:
        """Take bytes."""
        self.room.acked += self._acks.count(data)
        super().hear(data)


async def run_closed(job: Job) -> Outcome:
    """Keep `in_flight` messages under way: how much the server can deliver."""
    clients = await connect_all(job, range(job.clients))
    await open_rooms(job, clients)
    room = Room(clients, Script(job.rooms[0]))
    speaker = Speaker(room, clients[0], job.in_flight)
    for client in clients[1:]:
        LoopReader(room, client, speaker)
    speaker.go_on()
    await asyncio.sleep(job.warm_up_s)
    meter, deliveries, said = Meter(job.pid), room.deliveries, room.everywhere
    await asyncio.sleep(job.seconds)
    span, deliveries, said = meter.span(), room.deliveries - deliveries, room.everywhere - said
    speaker.in_flight = 0
    await settled(room.finished)
    figures = {"deliveries_per_cpu_s": deliveries / span.server, "messages_per_s": said / span.wall}
    return _outcome(room, span, figures)


async def run_paced(job: Job) -> Outcome:
    """Send at a fixed rate, whatever the server does: how late messages are, from when they were due."""
    clients = await connect_all(job, range(job.clients))
    await open_rooms(job, clients)
    warm_up, count = round(job.warm_up_s * job.rate), round((job.warm_up_s + job.seconds) * job.rate)
    start = time.monotonic() + 0.1
    due = [start + number / job.rate for number in range(count)]
    delays = array("d")
    room = Room(clients, Script(job.rooms[0]))
    PacedSpeaker(room, clients[0], due, delays)
    for client in clients[1:]:
        PacedReader(room, client, due, delays)
    await _say_on_time(room, due[:warm_up])
    meter = Meter(job.pid)
    warm_up_delays = len(delays)
    await _say_on_time(room, due[warm_up:])
    span = meter.span()
    await settled(room.finished)
    measured = sorted(delays[warm_up_delays:]) or [0.0]
    figures = {f"p{share}_ms": measured[len(measured) * share // 100] * 1000 for share in (50, 95)}
    return _outcome(room, span, figures | {"server_cpu_percent": span.server_share * 100})


async def _say_on_time(room: Room, due: Sequence[float]) -> None:
    for moment in due:
        # A message that is late already is sent at once: its delay counts from when it was due.
        if (ahead := moment - time.monotonic() - SPIN_S) > 0:
            await asyncio.sleep(ahead)
        while time.monotonic() < moment:  # noqa: ASYNC110 - the spinning
            await asyncio.sleep(0)
        room.say()


def _outcome(room: Room, span: Span, figures: dict[str, float]) -> Outcome:
    return Outcome(
        figures=figures,
        server_cpu=span.server_share,
        generator_cpu=span.generator_share,
        others_cpu=span.others_share,
        problems=room.problems(),
    )
