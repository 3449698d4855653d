"""Rooms whose messages go to a receiver that fails on purpose, and what has to be true of it in the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from eventually import eventually
from rest_people import Person
from service_process import Place, free_port

from servers.webhook_receiver import OK, Arrival, Behaviour, Receiver, receiver

SETTINGS = {
    "CHAT_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    "CHAT_WEBHOOK_RETRY_FIRST_S": "0.02",
    "CHAT_WEBHOOK_RETRY_MOST_S": "0.2",
    "CHAT_WEBHOOK_ATTEMPTS": "1000",
    "CHAT_WEBHOOK_TIMEOUT_S": "3",
    "CHAT_JOBS_STALLED_S": "2",
}
SOON_S = 120.0
"""For whatever has to come true on a slow and busy machine."""

_FAILURES = (Behaviour(500), Behaviour(429, {"Retry-After": "0"}), Behaviour(reset=True))


def beside(place: Place, **settings: str) -> Place:
    """A place for a worker: the same data and settings, some changed, and a port of its own for its metrics."""
    return replace(place, metrics_port=free_port(), settings={**place.settings, **settings})


@dataclass
class WebhookCrowd:
    """One person with rooms, each with a webhook. `said` are the seqs of what was acknowledged."""

    person: Person
    at: Receiver
    rooms: list[str] = field(default_factory=list)
    said: dict[str, list[int]] = field(default_factory=dict)

    async def settle_in(self, rooms: int) -> None:
        """Make the rooms and their webhooks."""
        for _ in range(rooms):
            room = await self.person.make_room()
            asked = {"room": room, "url": f"{self.at.url}/hook", "events": ["message"]}
            self.at.knows(await self.person.ask("POST", "/webhooks", asked))
            self.rooms.append(room)
            self.said[room] = []

    async def talk(self, count: int, *, pause_s: float = 0.0) -> None:
        """Say so many things in every room."""
        for number in range(count):
            for room in self.rooms:
                self.said[room].append((await self.person.say(room, f"text {number}"))["seq"])
            await asyncio.sleep(pause_s)

    def fail_sometimes(self, chance: random.Random, *, delay_s: float = 0.01) -> None:
        """Have the receiver fail every fifth time."""

        def behave(arrival: Arrival) -> Behaviour:
            del arrival
            return chance.choice(_FAILURES) if chance.random() < 0.2 else replace(OK, delay_s=delay_s)

        self.at.behave = behave

    async def delivered(self, part: float = 1.0) -> None:
        """Wait until that part of what was said has arrived."""

        def arrived() -> bool:
            expected = sum(map(len, self.said.values()))
            return sum(len(self.at.seqs(room)) for room in self.rooms) >= expected * part

        await eventually(arrived, SOON_S, every_s=0.05)

    async def assert_nothing_lost(self) -> None:
        """Wait for the rest, and fail where anything came out of order or with a wrong signature."""
        await self.delivered()
        for room in self.rooms:
            assert self.at.seqs(room) == self.said[room]
        self.at.check()
        total = sum(map(len, self.said.values()))
        print(f"{total} said, {len(self.at.took)} taken, {len(self.at.arrived)} attempts")


@asynccontextmanager
async def webhook_crowd(url: str, rooms: int) -> AsyncIterator[WebhookCrowd]:
    """Somebody at a running service, with so many rooms that a receiver is told of."""
    async with receiver() as at, Person(url) as person:
        await person.register()
        crowd = WebhookCrowd(person, at)
        await crowd.settle_in(rooms)
        yield crowd
