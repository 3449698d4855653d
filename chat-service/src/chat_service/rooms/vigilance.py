"""Vigilance: which nodes are there and how they are, and how closely the log is watched because of it.

While the bus is well everywhere, open rooms are compared with the log now and then. While it is unwell here or at
a live peer, or after a peer died and may have left something unpublished, often enough that what other nodes
append arrives within three seconds; and at once when the bus is lost or has come back. No clock of another node
is believed: a peer lives for as long as what it says of itself goes on changing, by this node's own clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from chat_service.bus import Bus
from chat_service.directory.nodes import FORGET_AFTER_MS, NodeDirectory, NodeRow
from chat_service.model.errors import ChatError
from chat_service.rooms.backoff import jittered

BEAT_S = 2.0
"""How often a node says that it is there; how its bus is it says at once when that changes."""

LOOK_S = 1.0
"""How often it looks what the others say."""

DEAD_AFTER_S = 6.0
"""A peer that says nothing new for so long is dead: three of its beats are missing."""

LONG_DEAD_MS = 60_000
"""A peer whose last word was older than this when this node started, by the clocks as they are, died before."""

AFTER_DEATH_S = 30.0
"""How long the log is watched closely after a peer died without leaving."""

WARY_S, CALM_S = 2.0, 15.0
"""From one tail check to the next, while something is wrong and while nothing is."""

HEAL_S = 10.0
"""Least time from one healing to the next, and how often it is done while the bus stays unwell here."""

PRUNE_S = 3600.0

log = structlog.get_logger()


@dataclass(slots=True)
class _Peer:
    """What is known of another node: its last words, and when they were heard (event loop time)."""

    row: NodeRow
    heard: float
    alive: bool


class Vigilance:
    """Watches over one node's delivery; `start` it behind the bus, `stop` it when nothing is written any more.

    `check_tails` compares the open rooms with the log. `heals` make up for hints that a bus outage, or a peer
    that died, has swallowed: room lists, redactions, the index. Each may raise ChatError: it is done again.
    """

    def __init__(
        self,
        bus: Bus,
        nodes: NodeDirectory,
        node: str,
        *,
        clock_ms: Callable[[], int],
        check_tails: Callable[[], Awaitable[None]],
        heals: Sequence[Callable[[], Awaitable[None]]],
    ) -> None:
        self._bus = bus
        self._nodes = nodes
        self._node = node
        self._clock_ms = clock_ms
        self._check_tails = check_tails
        self._heals = heals
        self._peers: dict[str, _Peer] | None = None
        self._died_at = -AFTER_DEATH_S
        self._was_healthy = bus.healthy
        self._beaten_at = 0.0
        self._pruned_at = 0.0
        self._look_now = asyncio.Event()
        self._check_now = asyncio.Event()
        self._heal_now = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def is_live(self, node: str) -> bool:
        """Whether another node is there, as far as is known."""
        peer = (self._peers or {}).get(node)
        return peer is not None and peer.alive

    @property
    def peers(self) -> list[NodeRow]:
        """What the other nodes that are there said of themselves last."""
        return [peer.row for peer in (self._peers or {}).values() if peer.alive]

    @property
    def wary(self) -> bool:
        """Whether something may be appended somewhere of which nobody tells this node."""
        recently = asyncio.get_running_loop().time() - self._died_at < AFTER_DEATH_S
        return not self._bus.healthy or recently or any(not row.bus_healthy for row in self.peers)

    async def start(self) -> None:
        """Begin."""
        self._was_healthy = self._bus.healthy
        self._bus.watch(self._bus_changed)
        create = asyncio.get_running_loop().create_task
        works = (self._keep_looking, self._keep_checking, self._keep_healing)
        self._tasks = [create(work(), name=f"vigilance {work.__name__}") for work in works]

    async def stop(self) -> None:
        """End, and say that this node has left: nothing that it wrote is on its way any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        try:
            await self._nodes.leave(self._node)
        except ChatError as problem:
            log.warning("vigilance.leave_not_said", error=problem.message)

    def _bus_changed(self) -> None:
        self._look_now.set()
        self._check_now.set()
        if self._bus.healthy and not self._was_healthy:
            self._heal_now.set()
        self._was_healthy = self._bus.healthy

    # -- looking --------------------------------------------------------------------------------------

    async def _keep_looking(self) -> None:
        reached = True
        while True:
            urgent = self._look_now.is_set()
            self._look_now.clear()
            try:
                await self._look(urgent=urgent)
                if not reached:
                    self._check_now.set()
                reached = True
            except ChatError as problem:
                if reached:
                    log.warning("vigilance.blind", error=problem.message)
                reached = False
            except Exception:  # a defect of ours must not leave the node blind
                log.exception("vigilance.failed")
            await _wait(self._look_now, jittered(LOOK_S))

    async def _look(self, *, urgent: bool) -> None:
        loop = asyncio.get_running_loop()
        if urgent or loop.time() - self._beaten_at >= BEAT_S:
            await self._nodes.beat(self._node, self._clock_ms(), bus_healthy=self._bus.healthy)
            self._beaten_at = loop.time()
        was_wary = self.wary
        self._hear(await self._nodes.peers(0), loop.time())
        if self.wary and not was_wary:
            self._check_now.set()
        if loop.time() - self._pruned_at >= PRUNE_S:
            self._pruned_at = loop.time()
            await self._nodes.prune(self._clock_ms() - FORGET_AFTER_MS)

    def _hear(self, rows: Sequence[NodeRow], now: float) -> None:
        first, before = self._peers is None, self._peers or {}
        peers: dict[str, _Peer] = {}
        for row in rows:
            if row.node == self._node:
                continue
            known = before.get(row.node)
            if known is None:
                fresh = not first or abs(self._clock_ms() - row.seen) < LONG_DEAD_MS
                peers[row.node] = _Peer(row, now, alive=fresh and not row.left)
            elif known.row != row:
                peers[row.node] = _Peer(row, now, alive=not row.left)
            else:
                alive = known.alive and now - known.heard < DEAD_AFTER_S
                peers[row.node] = _Peer(row, known.heard, alive)
                if known.alive and not alive:
                    self._died(row.node, now)
        for node, known in before.items():
            if known.alive and node not in peers:
                self._died(node, now)
        self._peers = peers

    def _died(self, node: str, now: float) -> None:
        log.warning("vigilance.peer_died", node=node)
        self._died_at = now
        self._heal_now.set()

    # -- checking and healing -------------------------------------------------------------------------

    async def _keep_checking(self) -> None:
        loop = asyncio.get_running_loop()
        checked_at = loop.time()
        while True:
            await _wait(self._check_now, max(0.0, checked_at + self._period() - loop.time()))
            if not self._check_now.is_set() and loop.time() < checked_at + self._period():
                continue
            self._check_now.clear()
            checked_at = loop.time()
            await self._try("tail check", self._check_tails)

    def _period(self) -> float:
        return WARY_S if self.wary else CALM_S

    async def _keep_healing(self) -> None:
        """Heal after an outage and after a death, and now and then while the bus is away here."""
        while True:
            await _wait(self._heal_now, HEAL_S)
            if not self._heal_now.is_set() and self._bus.healthy:
                continue
            self._heal_now.clear()
            # All nodes have the same reason at the same moment.
            await asyncio.sleep(jittered(WARY_S))
            done = [await self._try("healing", heal) for heal in self._heals]
            if not all(done):
                self._heal_now.set()
                await asyncio.sleep(jittered(HEAL_S))

    async def _try(self, what: str, work: Callable[[], Awaitable[Any]]) -> bool:
        try:
            await work()
        except ChatError as problem:
            log.warning("vigilance.tries_again", what=what, error=problem.message)
            return False
        except Exception:  # a defect of ours must not end the watch
            log.exception("vigilance.failed", what=what)
        return True


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Return when `event` is set, or so many seconds later."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
