"""One node on a store in memory, and short words for what tests do with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

from chat_service.bus.local import LocalBus
from chat_service.model.entries import Entry, Kind
from chat_service.rooms.attachments import NoAttachments
from chat_service.rooms.deciding import Receipt
from chat_service.rooms.delivery import DeliveryLimits
from chat_service.rooms.opening import Held, Opened
from chat_service.rooms.publishing import People
from chat_service.rooms.service import Rooms
from chat_service.rooms.station import RoomsLimits, Station

from .clients import PlainReader
from .entries import ALICE, BOB, CAROL, DAVE, ROOM
from .gates import Gated, Gates
from .judging import fold_all
from .memory_directory import MemoryDirectory
from .memory_log import MemoryLog
from .virtual_time import virtual_loop
from .writer_world import HISTORY, metrics

NAMES = {"alice": ALICE, "bob": BOB, "carol": CAROL, "dave": DAVE}


def people() -> People:
    """An identity that knows the people of these tests by their names."""

    async def by_handle(handles: Collection[str]) -> Mapping[str, str]:
        return {handle: NAMES[handle] for handle in handles if handle in NAMES}

    async def by_id(users: Collection[str]) -> Mapping[str, str]:
        return {user: name.title() for name, user in NAMES.items() if user in users}

    return People(ids=by_handle, names=by_id)


class OneNode:
    """A node with the room of HISTORY: Alice owns it, Bob and Carol are members, three messages were said.

    The calls on its store wait at `gates` once these are closed.
    """

    def __init__(
        self,
        log: MemoryLog,
        directory: MemoryDirectory,
        bus: LocalBus | None = None,
        limits: DeliveryLimits | None = None,
    ) -> None:
        self.gates = Gates(open_to=True)
        self.log = log
        self.directory = directory
        self.bus = bus or LocalBus()
        self.readers = 0
        self.rooms = Rooms(
            Gated(log, self.gates, "A"),
            Gated(directory, self.gates, "A"),
            self.bus,
            people(),
            NoAttachments(),
            station=Station("A", "world", b"secret", lambda: int(asyncio.get_running_loop().time() * 1000)),
            limits=RoomsLimits(delivery=limits or DeliveryLimits()),
            metrics=metrics(),
        )

    def reader(self, user: str) -> PlainReader:
        """A new connection of somebody."""
        self.readers += 1
        return PlainReader(f"reader {self.readers}", user)

    async def act(self, user: str, kind: Kind, target: int | None = None, /, **body: Any) -> Receipt:
        """Write something, and let it be delivered."""
        stored = await self.rooms.act(user, ROOM, kind, body, target=target)
        await virtual_loop().idle()
        return stored

    async def say(self, user: str, text: str = "hello", times: int = 1) -> Receipt:
        """Write messages."""
        for _ in range(times - 1):
            await self.act(user, Kind.MESSAGE, text=text)
        return await self.act(user, Kind.MESSAGE, text=text)

    async def open(self, reader: PlainReader, after: int | None = None, **held: Any) -> Opened:
        """One page of an opening."""
        opened, _ = await self.rooms.open(reader, ROOM, Held(after, **held))
        return opened

    def elsewhere(self, *entries: Entry) -> None:
        """Another node appends, and what it publishes is lost."""
        assert self.log.insert(ROOM, entries) == len(entries)

    @property
    def epoch(self) -> str:
        """The room's epoch."""
        return f"world.{HISTORY[0].id}"


@asynccontextmanager
async def one_node(limits: DeliveryLimits | None = None, bus: LocalBus | None = None) -> AsyncIterator[OneNode]:
    """A node that has started; at the end it stops and nothing is left of it."""
    log, directory = MemoryLog(), MemoryDirectory()
    log.insert(ROOM, HISTORY)
    directory.write(fold_all(HISTORY), [ALICE, BOB, CAROL])
    node = OneNode(log, directory, bus, limits)
    await node.rooms.start()
    await virtual_loop().idle()
    yield node
    node.gates.open_all()
    await node.rooms.finish()
    await node.rooms.stop()
    await virtual_loop().idle()
    mine = asyncio.current_task()
    left = [task.get_name() for task in asyncio.all_tasks() if task is not mine and not task.done()]
    assert not left, "tasks that outlive their node"
