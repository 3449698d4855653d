"""Background: the jobs of one process and what administers them, wired from the settings."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chat_service.jobs.addresses import AddressRules
from chat_service.jobs.delivering import Deliverer
from chat_service.jobs.local import LocalQueue
from chat_service.jobs.managing import Webhooks
from chat_service.jobs.patience import Patience
from chat_service.jobs.replays import ReplayJob
from chat_service.jobs.retention import RetentionJob
from chat_service.jobs.runner import Runner
from chat_service.jobs.sending import Sender
from chat_service.jobs.webhooks import WebhookJob

if TYPE_CHECKING:
    from chat_service.jobs import WorkQueue
    from chat_service.observability.metrics import Metrics
    from chat_service.rooms.service import Rooms
    from chat_service.settings import Settings
    from chat_service.stores import Stores

LOCK_FILE = "jobs.lock"
"""Beside an SQLite file: of the processes that could run jobs on it, the one that has the lock does."""


@dataclass(frozen=True, slots=True)
class Background:
    """The jobs of this process, not yet started: a process that does not run them leaves them so."""

    runner: Runner
    webhooks: Webhooks
    sender: Sender

    async def start(self) -> None:
        """Run jobs."""
        await self.runner.start()

    async def stop(self, patience_s: float) -> None:
        """End; deliveries on their way are waited for so many seconds. Also where nothing was started."""
        await self.runner.stop(patience_s)
        await self.sender.stop()


def serves_jobs(settings: Settings) -> bool:
    """Whether a process that serves runs jobs too."""
    return settings.jobs == "on" or (settings.jobs == "auto" and settings.redis_urls is None)


def open_background(
    settings: Settings, stores: Stores, rooms: Rooms, metrics: Metrics, *, world: str, version: str
) -> Background:
    """Wire jobs on open stores, whose incarnation is `world`."""
    rules = AddressRules(settings.webhook_allowed_networks)
    sender = Sender(rules, settings.webhook_timeout_s, version)
    patience = Patience(
        attempts=settings.webhook_attempts,
        first_s=settings.webhook_retry_first_s,
        most_s=settings.webhook_retry_most_s,
        max_age_s=settings.webhook_max_age_s,
    )
    deliverer = Deliverer(stores.webhooks, sender, patience, metrics, _clock_ms)
    jobs = (
        WebhookJob(stores.webhooks, stores.cursors, stores.log, rooms.reader, rooms.active, deliverer, metrics),
        ReplayJob(stores.webhooks, rooms.reader, rooms.active, deliverer, metrics),
        RetentionJob(
            rooms,
            stores.log,
            stores.rooms,
            stores.cursors,
            most_days=settings.retention_days,
            clock_ms=_clock_ms,
        ),
    )
    runner = Runner(
        _queue(settings, stores, world),
        jobs,
        concurrency=settings.jobs_concurrency,
        counted=metrics.jobs_waiting.set,
    )
    webhooks = Webhooks(stores.webhooks, stores.cursors, stores.log, rooms, rules, deliverer, _clock_ms)
    webhooks.changed = runner.changed
    return Background(runner, webhooks, sender)


def _queue(settings: Settings, stores: Stores, world: str) -> WorkQueue:
    urls = settings.redis_urls
    if urls is None:
        return LocalQueue(None if stores.file is None else settings.data_dir / LOCK_FILE)
    # Only who uses Redis loads its client.
    from chat_service.bus.redis_endpoints import parse_endpoints  # noqa: PLC0415
    from chat_service.jobs.redis import RedisQueue  # noqa: PLC0415

    return RedisQueue(
        # One of them is enough: little goes through it, and nothing is lost with it.
        lambda: min(parse_endpoints(urls.current()), key=lambda endpoint: endpoint.address),
        world=world,
        worker=settings.node_id,
        tls_ca=settings.redis_tls_ca,
        stalled_s=settings.jobs_stalled_s,
    )


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000
