"""A crowd: people with rooms in common, and clients of theirs that carry out the plan of a round."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos.clients.client import Client
from chaos.clients.wire import EntryDecoder
from chaos.history import History, Kind, Operation, Probe
from chaos.plan import steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chaos.clients.doors import Doors
    from chaos.clients.people import Person, Rest
    from chaos.plan import Step

WATCH_S = 0.2
"""How often clients look whether their server has fallen silent."""

CONNECTING_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Size:
    """How large a crowd is, and what it says: writes a second of all together, most that one leaves waiting."""

    clients: int = 300
    people: int = 24
    rooms: int = 12
    rooms_each: int = 2
    rate: float = 120.0
    window: int = 3


class Crowd:
    """The people of a round. The first of them owns every room and is in all of them."""

    def __init__(self, size: Size, seed: str, doors: Doors, rest: Rest) -> None:
        self.size = size
        self.history = History()
        self.people: list[Person] = []
        self.rooms: list[str] = []
        self.members: dict[str, list[Person]] = {}
        self.clients: list[Client] = []
        self.doors = doors
        self.rest = rest
        self._seed = seed
        self._decoder = EntryDecoder()
        self._talking: list[asyncio.Task[None]] = []
        self._echoing: set[asyncio.TimerHandle] = set()
        self._watching: asyncio.Task[None] | None = None
        self._by_user: dict[str, list[Client]] = {}
        self._plans: dict[str, Iterator[tuple[int, Step]]] = {}
        self.pace = 1.0
        """By how much faster than planned is talked; a fault may change it."""

    @property
    def owner(self) -> Person:
        """Who owns every room."""
        return self.people[0]

    # -- coming together ------------------------------------------------------------------------------

    async def gather(self, nodes: Sequence[str]) -> None:
        """Make accounts and rooms, spread over the nodes."""
        size = self.size
        for start in range(0, size.people, 4):  # hashing a password takes a node a tenth of a second
            some = range(start, min(start + 4, size.people))
            self.people += await asyncio.gather(*(self.rest.register(nodes[one % len(nodes)]) for one in some))
        rooms = [self._room_of(number) for number in range(size.rooms)]
        made = (self.rest.make_room(nodes[i % len(nodes)], self.owner, who[1:]) for i, who in enumerate(rooms))
        self.rooms = list(await asyncio.gather(*made))
        self.members = dict(zip(self.rooms, rooms, strict=True))

    def _room_of(self, number: int) -> list[Person]:
        """Who is in a room: its owner, and a share of the others that overlaps with the next room's."""
        others = self.people[1:] or self.people
        share = max(1, len(others) * self.size.rooms_each * 2 // self.size.rooms)
        start = number * len(others) // self.size.rooms
        who = [others[(start + place) % len(others)] for place in range(min(share, len(others)))]
        return [self.owner, *(person for person in who if person is not self.owner)]

    async def connect(self) -> None:
        """Connect every client, spread over the doors, and wait until all their rooms are live."""
        self._watching = asyncio.get_running_loop().create_task(self._watch())
        chance = random.Random(f"{self._seed} crowd")
        for number in range(self.size.clients):
            person = self.people[number % len(self.people)]
            own = [room for room in self.rooms if person in self.members[room]]
            rooms = chance.sample(own, min(self.size.rooms_each, len(own)))
            client = self.client(f"c{number}", person, rooms)
            self.clients.append(client)
            self._by_user.setdefault(person.user, []).append(client)
            client.start(self.doors.all[number % len(self.doors.all)])
            if number % CONNECTING_AT_ONCE == 0:
                await asyncio.sleep(0.05)
        await self.settled(60)

    def client(self, name: str, person: Person, rooms: Sequence[str], history: History | None = None) -> Client:
        """A client that is not part of the crowd, not started yet."""
        told = (person.user, person.token, self.doors, history or self.history, self._decoder, self._seed)
        return Client(name, *told, rooms=rooms)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(WATCH_S)
            now = loop.time()
            for client in self.clients:
                client.watch(now)

    # -- talking --------------------------------------------------------------------------------------

    def talk(self) -> None:
        """Have every client carry out its plan from now on, from where it stopped."""
        pause_s = self.size.clients / self.size.rate
        for client in self.clients:
            talking = self._talk(client, pause_s)
            self._talking.append(asyncio.get_running_loop().create_task(talking, name=f"{client.name} talks"))

    async def _talk(self, client: Client, pause_s: float) -> None:
        plan = self._plans.setdefault(client.name, enumerate(steps(self._seed, client.name, pause_s)))
        for number, step in plan:
            await asyncio.sleep(step.pause_s / self.pace)
            while len(client.pending) >= self.size.window:
                await asyncio.sleep(0.05)
            self._carry_out(client, number, step)

    def _carry_out(self, client: Client, number: int, step: Step) -> None:
        rooms = [room for room in client.rooms.values() if not room.away]
        if not rooms:
            return
        room = rooms[int(step.room * len(rooms))]
        operation = Operation(step.kind, client.name, client.user, room.room, f"{client.name}.{number}")
        operation.abandoned = step.abandoned
        targets = client.mine[room.room] if step.kind in {Kind.EDIT, Kind.DELETE} else room.others
        if step.kind is not Kind.SEND and not targets:
            operation.kind = Kind.SEND
        if operation.kind in {Kind.SEND, Kind.EDIT}:
            operation.text = f"{client.name} says {number}"
        if operation.kind is not Kind.SEND:
            operation.target = targets[int(step.pick * len(targets))]
        if operation.kind is Kind.REACT:
            operation.emoji, operation.on = step.emoji, step.on
        if operation.kind is Kind.DELETE:
            targets.remove(operation.target)  # what is gone is not edited any more
        if operation.kind is Kind.MARK:
            operation.abandoned = True  # it has no key: a repeat would be another one
        client.do(operation)
        if step.echo_s is not None and operation.kind is not Kind.MARK:
            self._echo_later(client, operation, step.echo_s)

    def _echo_later(self, client: Client, operation: Operation, after_s: float) -> None:
        def echo() -> None:
            self._echoing.discard(timer)
            others = [one for one in self._by_user[client.user] if one.connection is not None]
            node = None if client.connection is None else client.connection.node
            elsewhere = [one for one in others if one.connection is not None and one.connection.node != node]
            for other in (elsewhere or others)[:1]:
                other.echo(operation)

        timer = asyncio.get_running_loop().call_later(after_s, echo)
        self._echoing.add(timer)

    async def fall_silent(self) -> None:
        """Have nobody begin anything new."""
        for talking in self._talking:
            talking.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)
        self._talking.clear()

    def echo_no_more(self) -> None:
        """Have no repeat come late any more: one of what a restore took away is stored anew."""
        for timer in self._echoing:
            timer.cancel()
        self._echoing.clear()

    # -- the end --------------------------------------------------------------------------------------

    async def settled(self, within_s: float) -> bool:
        """Wait until everybody is connected and live and nothing waits; whether it came to that."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            if all(client.settled for client in self.clients):
                return True
            await asyncio.sleep(0.1)
        return False

    async def probe(self, within_s: float) -> list[Probe]:
        """Write one fresh message to each room and see how long it takes to everybody, `within_s` at most."""
        writers: dict[str, Client] = {}
        for client in self.clients:
            for room in client.rooms.values():
                if not room.away and client.connection is not None:
                    writers.setdefault(room.room, client)
        return list(await asyncio.gather(*(self._probe(room, one, within_s) for room, one in writers.items())))

    async def _probe(self, room: str, client: Client, within_s: float) -> Probe:
        key = f"{client.name}.probe"
        operation = Operation(Kind.SEND, client.name, client.user, room, f"{key}.{room[:6]}", text=key)
        sent = time.monotonic()
        client.do(operation)
        acked: float | None = None
        while time.monotonic() - sent < within_s:
            if acked is None and operation.acks:
                acked = operation.acks[0].at
            if acked is not None and not self.lacking(room, operation.acks[0].seq):
                return Probe(client.name, room, sent, acked, time.monotonic())
            await asyncio.sleep(0.02)
        return Probe(client.name, room, sent, acked, None)

    def lacking(self, room: str, seq: int) -> list[str]:
        """Clients that have a room and were not shown it up to a seq."""
        having = ((client, client.rooms[room]) for client in self.clients if room in client.rooms)
        return [client.name for client, held in having if not held.away and (held.seq or 0) < seq]

    def present(self) -> dict[str, frozenset[str]]:
        """Who truly has each room open."""
        return {
            room: frozenset(
                client.user for client in self.clients if room in client.rooms and client.rooms[room].live
            )
            for room in self.rooms
        }

    async def close(self) -> None:
        """Let everything go."""
        await self.fall_silent()
        self.echo_no_more()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await asyncio.gather(*(client.stop() for client in self.clients))
