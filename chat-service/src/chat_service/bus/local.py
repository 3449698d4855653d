"""The in-process bus of the embedded default, and the faults that tests switch on in it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from chat_service.bus import Message, ToNode, ToRoom


@dataclass(slots=True)
class Faults:
    """Chances, 0 to 1, that a message is lost, repeated or delayed behind later ones."""

    random: Random
    lose: float = 0.0
    repeat: float = 0.0
    reorder: float = 0.0


class LocalBus:
    """`Bus` for a single process: a message arrives in the next turn of the event loop."""

    def __init__(self, faults: Faults | None = None, *, node: str = "") -> None:
        self.healthy = True
        self._node = node
        self._faults = faults
        self._rooms: set[str] = set()
        self._receive: Callable[[Message], None] = _nowhere
        self._arriving: deque[Message] = deque()
        self._scheduled: asyncio.Handle | None = None

    def listen(self, receive: Callable[[Message], None]) -> None:
        """See Bus."""
        self._receive = receive

    def watch(self, changed: Callable[[], None]) -> None:
        """See Bus: this one is always well."""

    async def start(self) -> None:
        """See Bus."""

    async def stop(self) -> None:
        """See Bus."""
        self._receive = _nowhere
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None

    def publish(self, message: Message) -> None:
        """See Bus."""
        if isinstance(message, ToRoom) and message.room not in self._rooms:
            return
        if isinstance(message, ToNode) and message.to_node != self._node:
            return
        for arriving in self._suffer(message):
            self._arriving.append(arriving)
        if self._scheduled is None and self._arriving:
            self._scheduled = asyncio.get_running_loop().call_soon(self._arrive)

    async def subscribe(self, room: str) -> None:
        """See Bus."""
        self._rooms.add(room)

    async def unsubscribe(self, room: str) -> None:
        """See Bus."""
        self._rooms.discard(room)

    def _arrive(self) -> None:
        self._scheduled = None
        arriving, self._arriving = self._arriving, deque()
        for message in arriving:
            self._receive(message)

    def _suffer(self, message: Message) -> list[Message]:
        faults = self._faults
        if faults is None:
            return [message]
        chance = faults.random.random
        if chance() < faults.lose:
            return []
        if self._arriving and chance() < faults.reorder:
            self._arriving.insert(faults.random.randrange(len(self._arriving)), message)
            return []
        return [message, message] if chance() < faults.repeat else [message]


def _nowhere(message: Message) -> None:
    del message
