"""A node as its bus sees it: everything that arrives there is kept."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress

from chat_service.bus import Bus, Message, PersonalEvent

PATIENCE_S = 30.0
"""How long tests wait for what has to happen, on a slow machine."""


class Station:
    """A node: its bus and everything that arrived there."""

    def __init__(self, name: str, bus: Bus) -> None:
        self.name = name
        self.bus = bus
        self.arrived: list[Message] = []
        self._more = asyncio.Event()
        self._turned = asyncio.Event()
        bus.listen(self._take)
        bus.watch(self._turned.set)

    def _take(self, message: Message) -> None:
        self.arrived.append(message)
        self._more.set()

    async def until(self, arrived: Callable[[list[Message]], bool]) -> None:
        """Wait for what has arrived to be as it should."""
        async with asyncio.timeout(PATIENCE_S):
            while not arrived(self.arrived):
                self._more.clear()
                await self._more.wait()

    async def until_well(self, *, well: bool = True) -> None:
        """Wait for the bus to be healthy, or not to be."""
        async with asyncio.timeout(PATIENCE_S):
            while self.bus.healthy is not well:
                self._turned.clear()
                await self._turned.wait()

    async def reaches(self, there: Station) -> None:
        """Return once everything published here before has arrived there, if it arrives at all."""
        mark = PersonalEvent("mark", secrets.token_hex(4), b"")
        self.bus.publish(mark)
        await there.until(lambda arrived: mark in arrived)
        for station in (self, there):
            if mark in station.arrived:
                station.arrived.remove(mark)

    async def gets(self, *messages: Message) -> None:
        """Wait for these messages, in this order and no others."""
        with suppress(TimeoutError):
            await self.until(lambda arrived: len(arrived) >= len(messages))
        assert self.arrived == list(messages)
        self.arrived.clear()
