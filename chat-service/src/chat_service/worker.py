"""Life of a worker: a process that runs jobs and serves nobody but those who watch it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from chat_service.http.health import Dependency, Phase, health_routes
from chat_service.lifecycle import StartError
from chat_service.model.errors import ChatError
from chat_service.observability.endpoint import MetricsEndpoint
from chat_service.observability.loop_lag import sample_loop_lag
from chat_service.periodic import Chore, Chores

if TYPE_CHECKING:
    from chat_service.background import Background
    from chat_service.observability.metrics import Metrics
    from chat_service.rooms.indexing import Indexer
    from chat_service.rooms.service import Rooms
    from chat_service.rooms.vigilance import Vigilance
    from chat_service.stores import Stores

WATCH_S = 1.0
"""How often the store is asked whether it answers, and an SQLite file whether another process wrote to it."""

CLOSING_S = 2.0
"""Of the time to stop, what is left for closing when jobs are not waited for any more."""

log = structlog.get_logger()


class Worker:
    """Runs one worker from its start to its end. Implements `http.health.Health`."""

    def __init__(
        self,
        stores: Stores,
        rooms: Rooms,
        indexer: Indexer,
        background: Background,
        vigilance: Vigilance,
        metrics: Metrics,
        *,
        listen: tuple[str, int],
        stop_timeout_s: float,
    ) -> None:
        self._stores = stores
        self._rooms = rooms
        self._indexer = indexer
        self._background = background
        self._vigilance = vigilance
        self._metrics = metrics
        self._listen = listen
        self._stop_timeout_s = stop_timeout_s
        self._phase = Phase.STARTING
        self._dependencies: dict[str, Dependency] = {}
        self._leave = asyncio.Event()
        self._data_version = 0

    @property
    def phase(self) -> Phase:
        """See Health."""
        return self._phase

    @property
    def dependencies(self) -> Mapping[str, Dependency]:
        """See Health."""
        return self._dependencies

    async def run(self) -> None:
        """Run jobs until told to leave; then finish what is on its way and give the rest back.

        Raises StartError.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._leave.set)
        endpoint = MetricsEndpoint(self._metrics.registry, health_routes(self))
        port = await endpoint.start(*self._listen) if self._listen[1] else 0
        lag = loop.create_task(sample_loop_lag(self._metrics.event_loop_lag_seconds))
        try:
            await self._begin()
        except (ChatError, OSError) as problem:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
            lag.cancel()
            await endpoint.stop()
            raise StartError.because(problem) from problem
        chores = Chores((Chore("watch", WATCH_S, self._watch),))
        chores.start()
        self._phase = Phase.SERVING
        log.info("working", metrics_port=port)
        await self._leave.wait()
        self._phase = Phase.DRAINING
        self._metrics.draining.set(1)
        log.info("draining")
        await chores.stop()
        await self._background.stop(max(0.0, self._stop_timeout_s - CLOSING_S))
        await self._rooms.finish()
        await self._vigilance.stop()
        lag.cancel()
        await asyncio.gather(lag, return_exceptions=True)
        await endpoint.stop()
        log.info("stopped")

    async def _begin(self) -> None:
        await self._rooms.start()
        await self._vigilance.start()
        await self._indexer.start()
        await self._watch()
        await self._background.start()

    async def _watch(self) -> None:
        try:
            await self._stores.database.probe()
            self._found("store", Dependency(up=True))
        except ChatError as problem:
            self._found("store", Dependency(up=False, detail=problem.message))
        self._found("bus", Dependency(up=self._rooms.bus_healthy))
        self._found("jobs", Dependency(up=self._background.runner.healthy))
        if self._stores.file is not None:
            version = await self._stores.file.data_version()
            if version != self._data_version:
                self._data_version = version
                self._background.runner.look_again()

    def _found(self, name: str, dependency: Dependency) -> None:
        before = self._dependencies.get(name)
        if before is not None and before.up != dependency.up:
            log.warning("dependency.changed", dependency=name, up=dependency.up)
        self._dependencies[name] = dependency
        self._metrics.dependency_up.labels(name).set(dependency.up)
