"""A gathering: a crowd where the chat is served, what is recorded of it, and how everything is in the end."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol

from chaos.clients.crowd import Crowd
from chaos.clients.people import Rest
from chaos.history import Ending, History, Injection, PresenceSeen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from chaos.clients.client import Client
    from chaos.clients.crowd import Size
    from chaos.clients.doors import Doors
    from chaos.clients.wire import WireAnswer
    from chaos.history import Away

PATIENCE_S = 60.0
"""How long anything may take to come to rest once all is healed: also until the people of a dead node are
gone, and noise.
"""


UNDER_WAY_S = 3.0
"""How long a write may still be under way whose client has gone: longer than a node lets one wait."""


class Place(Protocol):
    """Where the chat is served: nodes by their names, and the doors that clients find them by."""

    @property
    def names(self) -> list[str]:
        """The nodes' names."""

    @property
    def doors(self) -> Doors:
        """Where clients find them."""

    def url_of(self, name: str) -> str:
        """A node's origin."""


class Gathering:
    """A crowd at a place. `chance` is made of the seed."""

    def __init__(self, place: Place, size: Size, seed: str, patience_s: float = PATIENCE_S) -> None:
        self.place = place
        self.chance = random.Random(f"{seed} fault")
        self.rest = Rest(place.url_of)
        self.crowd = Crowd(size, seed, place.doors, self.rest)
        self.ending = Ending()
        self._patience_s = patience_s

    @property
    def history(self) -> History:
        """What is recorded."""
        return self.crowd.history

    @asynccontextmanager
    async def injected(self, name: str, detail: str = "", away: Away | None = None) -> AsyncIterator[Injection]:
        """Record a fault that lasts as long as the block."""
        injection = Injection(name, detail, time.monotonic(), away=away)
        self.history.injections.append(injection)
        try:
            yield injection
        finally:
            injection.healed = time.monotonic()

    async def close(self) -> None:
        """Let the clients go."""
        await self.crowd.close()
        await self.rest.close()

    # -- the end --------------------------------------------------------------------------------------

    async def end(self) -> None:
        """Let everything settle, write fresh messages, and read everything whole."""
        crowd, ending = self.crowd, self.ending
        await crowd.fall_silent()
        crowd.echo_no_more()
        settled = await crowd.settled(self._patience_s)
        ending.probes = await crowd.probe(self._patience_s / 2)
        if not await crowd.settled(10):
            await self._let_go_of_unsettled()
        await asyncio.gather(*(self._read_room(room) for room in crowd.rooms))
        ending.never_back = await self._never_back(self._patience_s / 2 if settled else 0)
        nodes = self.place.names
        for number, person in enumerate(crowd.people):
            for node in nodes if number < 2 else [nodes[number % len(nodes)]]:
                ending.standings += await self.rest.standings(node, person)
        await self._watch_presence()

    async def _let_go_of_unsettled(self) -> None:
        """Let nobody be acknowledged, or shown, what would stand behind the end of the logs that are read."""
        await asyncio.gather(*(client.stop() for client in self.crowd.clients if not client.settled))
        await asyncio.sleep(UNDER_WAY_S)

    async def _read_room(self, room: str) -> None:
        owner, nodes = self.crowd.owner, self.place.names
        logs = {node: await self.rest.log(node, owner, room) for node in nodes}
        self.ending.logs[room] = {node: log for node, (log, _) in logs.items()}
        self.ending.folded[room] = await self.rest.folded(self.chance.choice(nodes), owner, room)

    async def _never_back(self, within_s: float) -> list[str]:
        """Clients that are not connected, or were not shown the whole logs."""
        end = time.monotonic() + within_s
        while True:
            logs = {room: next(iter(by_node.values())) for room, by_node in self.ending.logs.items()}
            lacking = {name for room, log in logs.items() for name in self.crowd.lacking(room, len(log))}
            lacking |= {client.name for client in self.crowd.clients if not client.settled}
            if not lacking or time.monotonic() > end:
                return sorted(lacking)
            await asyncio.sleep(0.2)

    async def _watch_presence(self) -> None:
        """Ask every node who is there until all of them are right, or it takes too long."""
        if self.ending.never_back:
            return  # nobody can say who truly is there
        observers = [self._observer(node) for node in self.place.names]
        try:
            end = time.monotonic() + self._patience_s
            while True:
                truth = self.crowd.present()
                asked = [self._ask(observer, room) for observer in observers for room in self.crowd.rooms]
                seen = [
                    PresenceSeen(node, room, time.monotonic(), told, truth[room] | {self.crowd.owner.user})
                    for node, room, told in filter(None, await asyncio.gather(*asked))
                ]
                self.ending.presence += seen
                right = len(seen) == len(asked) and all(one.told == one.truth for one in seen)
                if right or time.monotonic() > end:
                    return
                await asyncio.sleep(1)
        finally:
            await asyncio.gather(*(observer.stop() for observer in observers))

    def _observer(self, node: str) -> Client:
        """A client of the owner's at one node, that is not judged."""
        observer = self.crowd.client(f"observer of {node}", self.crowd.owner, self.crowd.rooms, History())
        observer.start(next(door for door in self.place.doors.all if door.node == node))
        return observer

    async def _ask(self, observer: Client, room: str) -> tuple[str, str, frozenset[str]] | None:
        connection = observer.connection
        if connection is None:
            await asyncio.sleep(0.2)
            return None
        answered: asyncio.Future[WireAnswer] = asyncio.get_running_loop().create_future()
        observer.ask("room:open", {"room": room}, partial(_answer, answered))
        try:
            async with asyncio.timeout(5):
                told = await answered
        except TimeoutError:
            return None
        return None if told.error is not None else (connection.node, room, frozenset(told.online))


def _answer(waiting: asyncio.Future[WireAnswer], told: WireAnswer) -> None:
    if not waiting.done():
        waiting.set_result(told)
