"""Two nodes with readers on an unreliable bus, and what must hold of everything the readers are given."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from chat_service.bus.local import Faults
from chat_service.model import ids
from chat_service.model.entries import Entry, Kind
from chat_service.model.errors import ChatError, Code
from chat_service.model.permissions import Action
from chat_service.model.redaction import Redactions
from chat_service.model.rooms import RoomState
from chat_service.rooms.attachments import NoAttachments
from chat_service.rooms.delivery import DeliveryLimits
from chat_service.rooms.service import Rooms
from chat_service.rooms.station import RoomsLimits, Station

from .clients import Client
from .entries import ALICE, BOB, CAROL, ROOM
from .gates import Fate, Gated, Gates
from .judging import check_log
from .memory_directory import MemoryDirectory
from .memory_log import MemoryLog
from .node_bus import NodeBus
from .virtual_time import virtual_loop
from .writer_world import HISTORY, JumpingClock, metrics, nobody

LIMITS = RoomsLimits(delivery=DeliveryLimits(ring_entries=6, page_entries=8, resume_max_entries=12))


class WatchedClient(Client):
    """A client that is told nothing it may not be told."""

    world: HubWorld

    def took(self, entry: dict[str, Any]) -> None:
        """Nobody is given what they may not read, nor a body that the node knows to be redacted."""
        log = self.world.log.entries(ROOM)
        assert self.world.might_read(self.user, entry["seq"]), f"{self.user} was given {entry} after leaving"
        hub = self.rooms.delivery.hub(ROOM)
        passed = Redactions.of(log[: min(self.behind, hub.last if hub is not None else 0)])
        stored = log[entry["seq"] - 1]
        assert entry["id"] == stored.id
        assert not passed.cover(stored) or entry.get("redacted"), f"a redacted body was given: {entry}"

    @property
    def behind(self) -> int:
        """Up to where redactions had been delivered here before this step of the test."""
        return self.world.delivered_before[self.rooms]


class HubWorld:
    """Nodes A and B on one store; `clients` are connections to either."""

    def __init__(self, random: Random, faults: tuple[float, float, float]) -> None:
        self.log = MemoryLog()
        self.log.insert(ROOM, HISTORY)
        self.directory = MemoryDirectory()
        self.directory.write(self._folded(len(HISTORY)), [ALICE, BOB, CAROL])
        self.gates = Gates(open_to=True)
        ends: list[NodeBus] = []
        self.nodes = [self._node(name, NodeBus(ends, Faults(random, *faults), node=name)) for name in "AB"]
        self.buses = ends
        self.clients: list[WatchedClient] = []
        self.delivered_before: dict[Rooms, int] = dict.fromkeys(self.nodes, 0)
        self.sends: list[asyncio.Future[Any]] = []
        self.count = 0

    def _node(self, name: str, bus: NodeBus) -> Rooms:
        return Rooms(
            Gated(self.log, self.gates, name),
            Gated(self.directory, self.gates, name),
            bus,
            nobody(),
            NoAttachments(),
            station=Station(name, "world", b"secret", JumpingClock()),
            limits=LIMITS,
            metrics=metrics(),
        )

    def _folded(self, length: int) -> RoomState:
        state = RoomState(ROOM)
        for entry in self.log.entries(ROOM)[:length]:
            state.apply(entry)
        return state

    def might_read(self, user: str, seq: int) -> bool:
        """Whether there was a moment since the entry before `seq` at which `user` was let to read."""
        state = self._folded(seq - 1)
        allowed = state.permits(user, Action.READ)
        for entry in self.log.entries(ROOM)[seq - 1 :]:
            state.apply(entry)
            allowed = allowed or state.permits(user, Action.READ)
        return allowed

    async def start(self) -> None:
        """Start both nodes; from now on every call on the store waits at a gate."""
        for node in self.nodes:
            await node.start()
        await virtual_loop().idle()
        self.gates.open_to = False

    async def look(self) -> None:
        """Let everything happen that can."""
        await virtual_loop().idle()
        for node in self.nodes:
            hub = node.delivery.hub(ROOM)
            self.delivered_before[node] = hub.last if hub is not None else 0
        for client in self.clients:
            if client.opening is not None and client.opening.done():
                client.opening.result()
            if client.wrong is not None:
                raise client.wrong

    def connect(self, user: str, node: int, before: WatchedClient | None = None) -> WatchedClient:
        """A new connection, with what an earlier one of the same client held."""
        self.count += 1
        client = WatchedClient(f"conn{self.count}", user, self.nodes[node], before)
        client.world = self
        return client

    def send(self, node: int, user: str, kind: Kind, body: dict[str, Any], target: int | None = None) -> None:
        """Send a request; how it ends is not looked at here."""
        self.count += 1
        answer = self.nodes[node].submit(user, ROOM, kind, body, key=f"k{self.count}", target=target)
        answer.add_done_callback(lambda done: done.exception())
        self.sends.append(answer)

    def messages(self) -> list[Entry]:
        """The messages in the log."""
        return [entry for entry in self.log.entries(ROOM) if entry.kind is Kind.MESSAGE]

    async def flow(self, seconds: float = 0.0) -> None:
        """Open every gate until nothing waits, then let time pass."""
        while True:
            await self.look()
            if not self.gates.waiting:
                break
            self.gates.let(0, Fate.DONE)
        if seconds:
            await asyncio.sleep(seconds)
            await self.look()

    async def quiesce(self) -> None:
        """Open every gate, drain every reader, let time pass, check tails: what was lost is healed."""
        self.gates.open_all()
        for client in self.clients:
            client.drain()
        for _ in range(4):
            await asyncio.sleep(15.0)
            for node in self.nodes:
                await node.delivery.check_tails()
            await self.look()
        for _ in range(20):
            for client in self.clients:
                if client.open and not client.live:
                    client.ask_to_open()
            await asyncio.sleep(1.0)
            await self.look()
        for send in self.sends:
            assert send.done(), "nobody answered a send"

    def check(self) -> None:
        """Assert that whoever may read holds the whole log, and nobody else has anything open."""
        entries = self.log.entries(ROOM)
        check_log(entries)
        state = self._folded(len(entries))
        for client in self.clients:
            if not client.open:
                continue
            if state.permits(client.user, Action.READ):
                assert client.live, f"{client.user} is not live: {client.refusal}"
            else:
                assert not client.live, f"{client.user} reads on after leaving"
            if client.live:
                assert client.held.after == len(entries), f"{client.id} of {client.user} was left behind"
                assert client.held.after_id == entries[-1].id
        for node in self.nodes:
            self._check_hub(node)

    def _check_hub(self, node: Rooms) -> None:
        here = {client.id for client in self.clients if client.rooms is node and client.live}
        hub = node.delivery.hub(ROOM)
        assert (hub is None) == (not here), "a hub without readers, or readers without a hub"
        if hub is not None:
            assert set(hub.subscriptions) == here, "a subscription that nobody has any more"

    async def stop(self) -> None:
        """Stop both nodes."""
        for node in self.nodes:
            await node.finish()
            await node.stop()
        await virtual_loop().idle()


async def tails(node: Rooms) -> None:
    """Check the open rooms' tails as the node does now and then."""
    try:
        await node.delivery.check_tails()
    except ChatError as problem:
        if problem.code is not Code.UNAVAILABLE:
            raise


SYSTEM = ids.SYSTEM_SENDER
