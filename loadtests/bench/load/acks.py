"""The load `acks`: everybody sends as fast as acknowledgements come back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bench.job import Job, Outcome
from bench.load.client import Client, connect_all, open_rooms
from bench.load.frames import ACKED, MARK, Counter, Script
from bench.load.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Callable

DRAIN_S = 10.0
"""How long what is under way may take to arrive once nothing more is sent."""


class Sender:
    """One client that keeps `in_flight` messages unacknowledged."""

    def __init__(self, load: AckLoad, client: Client, script: Script) -> None:
        self.load = load
        self.client = client
        self.latest = b""
        self._script = script
        self._acks, self._messages = Counter(ACKED), Counter(MARK)
        client.listen(self._hear)
        client.lost = load.client_lost

    def send(self, count: int) -> None:
        """Send so many messages, each in a write of its own as real clients do."""
        load, script, write = self.load, self._script, self.client.write
        first = load.sent
        load.sent += count
        for number in range(first, first + count):
            write(script.frame(number))

    def _hear(self, data: bytes) -> None:
        self.latest = data
        load = self.load
        load.delivered += self._messages.count(data)
        acked = self._acks.count(data)
        if acked:
            load.acked += acked
            if load.sending:
                self.send(acked)


class AckLoad:
    """The counts of all senders together."""

    def __init__(self) -> None:
        self.sent = self.acked = self.delivered = self.lost_clients = 0
        self.sending = True

    def client_lost(self) -> None:
        """A connection ended."""
        self.lost_clients += 1


async def run(job: Job) -> Outcome:
    """Do the job."""
    clients = await connect_all(job, range(job.clients))
    if job.listening:
        await open_rooms(job, clients)
    scripts = [Script(room) for room in job.rooms]
    load = AckLoad()
    senders = [Sender(load, client, scripts[number % len(scripts)]) for number, client in enumerate(clients)]
    for sender in senders:
        sender.send(job.in_flight)
    await asyncio.sleep(job.warm_up_s)
    meter, acked, delivered = Meter(job.pid), load.acked, load.delivered
    await asyncio.sleep(job.seconds)
    span, acked, delivered = meter.span(), load.acked - acked, load.delivered - delivered
    load.sending = False
    # A room's readers are all of its clients: each message of it comes to every one of them.
    readers = job.clients // len(job.rooms) if job.listening else 0
    await settled(lambda: load.acked >= load.sent and load.delivered >= load.sent * readers)
    return Outcome(
        figures={
            "acks_per_s": acked / span.wall,
            "acks_per_cpu_s": acked / span.server,
            "deliveries_per_s": delivered / span.wall,
        },
        server_cpu=span.server_share,
        generator_cpu=span.generator_share,
        others_cpu=span.others_share,
        problems=_problems(load, senders, readers),
    )


async def settled(done: Callable[[], bool]) -> None:
    """Wait until `done`, though not for ever."""
    loop = asyncio.get_running_loop()
    end = loop.time() + DRAIN_S
    while not done() and loop.time() < end:  # noqa: ASYNC110 - an event would cost on the path that is timed
        await asyncio.sleep(0.02)


def _problems(load: AckLoad, senders: list[Sender], readers: int) -> list[str]:
    problems = []
    if load.lost_clients:
        problems.append(f"{load.lost_clients} connections were closed")
    if load.acked != load.sent:
        problems.append(f"{load.sent - load.acked} of {load.sent} messages were not acknowledged")
        refusal = next((sender.latest for sender in senders if b'"ok":false' in sender.latest), b"")
        if refusal:
            problems.append(f"a refusal: {refusal[-300:]!r}")
    if load.delivered != load.sent * readers:
        problems.append(f"{load.delivered} deliveries, expected {load.sent * readers}")
    return problems
