"""A crowd: people with rooms in common, and clients of theirs that talk until they are told to stop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from checked_client import CheckedClient
from history import History
from history_checker import assert_sound
from rest_people import LogEntry, Person


@dataclass
class Crowd:
    """Who is there. Every client has every room open."""

    people: Sequence[Person]
    rooms: Sequence[str]
    history: History = field(default_factory=History)
    clients: list[CheckedClient] = field(default_factory=list)
    _talking: list[asyncio.Task[None]] = field(default_factory=list)

    async def connect(self, count: int, *, polling: int = 0) -> None:
        """Connect `count` clients over WebSockets and `polling` by long-polling, and open the rooms."""
        for number in range(count + polling):
            person = self.people[number % len(self.people)]
            client = CheckedClient(person, self.history, f"c{number}", polling=number >= count)
            self.clients.append(client)
            await client.start()
            await asyncio.gather(*(client.open(room) for room in self.rooms))

    def talk(self, seed: int, *, most_waiting: int = 5, pause_s: float = 0.02) -> None:
        """Have every client send to random rooms, with at most `most_waiting` messages not acked."""
        for number, client in enumerate(self.clients):
            talking = self._talk(client, random.Random(f"{seed} {number}"), most_waiting, pause_s)
            self._talking.append(asyncio.get_running_loop().create_task(talking))

    async def _talk(self, client: CheckedClient, chance: random.Random, most_waiting: int, pause_s: float) -> None:
        number = 0
        while True:
            if client.waiting < most_waiting:
                number += 1
                client.post(chance.choice(self.rooms), f"{client.name} says {number}")
            await asyncio.sleep(chance.uniform(0, pause_s))

    async def fall_silent(self) -> None:
        """Have nobody send any more."""
        for talking in self._talking:
            talking.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)
        self._talking.clear()

    async def settled(self) -> dict[str, list[LogEntry]]:
        """Wait until all is acked and everybody was shown everything; return the logs."""
        await self.fall_silent()
        await asyncio.gather(*(client.settled() for client in self.clients))
        logs = {room: await self.people[0].read_log(room) for room in self.rooms}
        for client in self.clients:
            await asyncio.gather(*(client.reaches(room, len(log)) for room, log in logs.items()))
        return logs

    async def assert_sound(self) -> None:
        """Settle, and fail where anything was lost, repeated, reordered or made up."""
        logs = await self.settled()
        assert_sound(self.history, logs, complete={client.name for client in self.clients})

    async def close(self) -> None:
        """Let everything go."""
        await self.fall_silent()
        await asyncio.gather(*(client.stop() for client in self.clients))
        await asyncio.gather(*(person.close() for person in self.people))


@asynccontextmanager
async def gathered(url: str, *, people: int, rooms: int) -> AsyncIterator[Crowd]:
    """People with rooms in common at a running service, without clients yet."""
    crowd = Crowd([Person(url) for _ in range(people)], [])
    try:
        await asyncio.gather(*(person.register() for person in crowd.people))
        first, *others = crowd.people
        crowd.rooms = [await first.make_room(*others) for _ in range(rooms)]
        yield crowd
    finally:
        await crowd.close()
