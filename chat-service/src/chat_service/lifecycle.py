"""Life of a node: the order in which it starts, what it says of itself, how it drains and stops."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Self

import structlog
from aiohttp import web

from chat_service.background import Background
from chat_service.files.service import Files
from chat_service.http.health import Dependency, Phase
from chat_service.http.wire_errors import HttpRunner
from chat_service.identity.service import Identity
from chat_service.model.errors import ChatError
from chat_service.observability.endpoint import MetricsEndpoint
from chat_service.observability.loop_lag import sample_loop_lag
from chat_service.observability.metrics import Metrics
from chat_service.periodic import Chore, Chores
from chat_service.realtime.dialects import V1_NAMESPACE
from chat_service.realtime.events import ChatNamespace
from chat_service.realtime.server import SocketServer
from chat_service.rooms.filing import Filing
from chat_service.rooms.indexing import Indexer
from chat_service.rooms.service import Rooms
from chat_service.rooms.vigilance import Vigilance
from chat_service.stores import Stores

CLOSE_BATCHES_PER_S = 10
PATIENCE_MOST_S = 5.0
FILE_SWEEP_S = 3600.0
WATCH_S = 1.0
"""How often another process's writes are looked for, and tokens that ended."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: everything is still served, transports are closed over, the process has ended after."""

    drain_notice_s: float
    drain_close_s: float
    stop_timeout_s: float

    @property
    def patience_s(self) -> float:
        """How long one client's last answers, and then its part of the close, are waited for.

        Both, and what has to be done after them, fit into what the drain leaves of the time to stop: a
        client that is stuck makes nobody end by force.
        """
        return min(PATIENCE_MOST_S, (self.stop_timeout_s - self.drain_notice_s - self.drain_close_s) / 4)


@dataclass(frozen=True, slots=True)
class Node:
    """A wired application, not yet started. A port of 0 takes a free one; metrics on port 0 are off."""

    stores: Stores
    identity: Identity
    rooms: Rooms
    filing: Filing
    files: Files
    indexer: Indexer
    background: Background
    vigilance: Vigilance
    works: bool
    """Whether this process runs jobs too."""
    sockets: SocketServer
    chat: ChatNamespace
    application: web.Application
    listen: tuple[str, int]
    metrics_listen: tuple[str, int]


class StartError(Exception):
    """The process cannot start: the data folder or a port is in use, or the store cannot be reached.

    `retryable` where beginning again may help.
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable

    @classmethod
    def because(cls, problem: Exception) -> Self:
        """The error that `problem` is for whoever started the process."""
        return cls(str(problem), retryable=isinstance(problem, ChatError) and problem.retryable)


class Lifecycle:
    """Runs one node from its start to its end. Implements `http.health.Health`."""

    def __init__(self, timing: Timing, metrics: Metrics) -> None:
        self._timing = timing
        self._metrics = metrics
        self._phase = Phase.STARTING
        self._dependencies: dict[str, Dependency] = {}
        self._leave = asyncio.Event()
        self._hurry = asyncio.Event()
        self._data_version = 0
        self.closing = False
        """Set once handshakes without a session are refused."""
        self.port = 0
        """Where HTTP listens, once it does."""

    @property
    def phase(self) -> Phase:
        """See Health."""
        return self._phase

    @property
    def dependencies(self) -> Mapping[str, Dependency]:
        """See Health."""
        return self._dependencies

    def leave(self) -> None:
        """Begin to drain; asked again, do not wait for anybody any more."""
        if self._leave.is_set():
            self._hurry.set()
        self._leave.set()

    def leave_now(self) -> None:
        """Stop cleanly without a notice: somebody at a terminal waits for it."""
        self._hurry.set()
        self._leave.set()

    async def run(self, node: Node) -> None:
        """Start, serve until told to leave, drain, stop. Raises StartError."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.leave)
        loop.add_signal_handler(signal.SIGINT, self.leave_now)
        try:
            stop = await self.start(node)
        except (ChatError, OSError) as problem:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
            raise StartError.because(problem) from problem
        await self._leave.wait()
        began = loop.time()
        try:
            async with asyncio.timeout(self._timing.stop_timeout_s):
                await self.drain(node)
                await stop()
        except TimeoutError:
            log.exception("stop.timed_out", after_s=round(loop.time() - began, 1))
            raise SystemExit(1) from None
        log.info("stopped", after_s=round(loop.time() - began, 1))

    async def start(self, node: Node) -> Callable[[], Awaitable[None]]:
        """Bring the node up; returns what takes it down again."""
        await node.identity.start()
        await node.rooms.start()
        await node.vigilance.start()
        node.rooms.presence.start()
        await node.indexer.start()
        if node.works:
            await node.background.start()
        self._data_version = await _data_version(node)
        await self._probe(node)
        chores = Chores(
            (
                Chore("watch", WATCH_S, lambda: self._watch(node)),
                Chore("file sweep", FILE_SWEEP_S, node.filing.sweep),
            )
        )
        chores.start()
        lag = asyncio.get_running_loop().create_task(sample_loop_lag(self._metrics.event_loop_lag_seconds))
        endpoint = MetricsEndpoint(self._metrics.registry)
        if node.metrics_listen[1]:
            await endpoint.start(*node.metrics_listen)
        runner = HttpRunner(node.application, access_log=None, handle_signals=False, shutdown_timeout=2.0)
        await runner.setup()
        await web.TCPSite(runner, *node.listen, backlog=4096).start()
        self.port = runner.addresses[0][1]
        self._phase = Phase.SERVING
        log.info("serving", host=node.listen[0], port=self.port, metrics_port=node.metrics_listen[1])

        async def stop() -> None:
            await node.sockets.shutdown()
            await node.background.stop(self._timing.patience_s)
            await node.rooms.finish()
            await runner.cleanup()
            await chores.stop()
            lag.cancel()
            await asyncio.gather(lag, return_exceptions=True)
            await node.indexer.stop()
            await node.vigilance.stop()
            await node.rooms.stop()
            await node.identity.stop()
            await node.files.close()
            await node.stores.database.close()
            await endpoint.stop()

        return stop

    # -- leaving --------------------------------------------------------------------------------------

    async def drain(self, node: Node) -> None:
        """Leave so that nobody loses anything: be unready, go on serving, then close in batches."""
        self._phase = Phase.DRAINING
        self._metrics.draining.set(1)
        log.info("draining", connections=len(node.sockets.engine.sessions))
        await self._pause(self._timing.drain_notice_s)
        self.closing = True
        spread_s = self._timing.drain_close_s
        node.chat.notify({"kind": "draining", "reconnect_after_ms": 0, "jitter_ms": int(spread_s * 1000)})
        await self._close_in_batches(node.sockets, spread_s)

    async def _close_in_batches(self, sockets: SocketServer, over_s: float) -> None:
        sessions = list(sockets.engine.sessions.values())
        random.shuffle(sessions)
        batches = max(1, int(over_s * CLOSE_BATCHES_PER_S))
        size = max(1, -(-len(sessions) // batches))
        closing: set[asyncio.Task[None]] = set()
        for start in range(0, len(sessions), size):
            await self._pause(over_s / batches)
            for session in sessions[start : start + size]:
                connection = sockets.connection_of(session.id, V1_NAMESPACE)
                if connection is not None:
                    connection.emit("notice", {"kind": "shutdown"})
                finishing = sockets.finish(session, patience=self._timing.patience_s)
                closing.add(asyncio.get_running_loop().create_task(finishing))
        if closing:
            await asyncio.wait(closing)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            return

    # -- upkeep ---------------------------------------------------------------------------------------

    async def _watch(self, node: Node) -> None:
        node.chat.close_expired()
        node.rooms.delivery.drop_stale(time.monotonic())
        await self._probe(node)
        version = await _data_version(node)
        if version != self._data_version:
            await node.identity.revocations.poll()
            await node.rooms.look_again()
            node.indexer.look_again()
            node.background.runner.look_again()
            # Only now: where looking failed, it is done again at the next time.
            self._data_version = version

    async def _probe(self, node: Node) -> None:
        try:
            await node.stores.database.probe()
            self._found("store", Dependency(up=True))
        except ChatError as problem:
            self._found("store", Dependency(up=False, detail=problem.message))
        self._found("bus", Dependency(up=node.rooms.bus_healthy))
        node.chat.tell_health(name for name, found in self._dependencies.items() if not found.up)

    def _found(self, name: str, dependency: Dependency) -> None:
        before = self._dependencies.get(name)
        if before is not None and before.up != dependency.up:
            log.warning("dependency.changed", dependency=name, up=dependency.up)
        self._dependencies[name] = dependency
        self._metrics.dependency_up.labels(name).set(dependency.up)


async def _data_version(node: Node) -> int:
    """Of the file that other processes write unheard; a shared database's nodes hear of each other by the bus."""
    return 0 if node.stores.file is None else await node.stores.file.data_version()
