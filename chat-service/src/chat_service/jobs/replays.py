"""Replays: dead letters that somebody asked for again, each webhook's one after another, beside its lanes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection

import msgspec

from chat_service.directory.webhooks import Delivery, DeliveryState, Webhook, WebhookDirectory
from chat_service.jobs import Work
from chat_service.jobs.delivering import Deliverer, Verdict, letter_of
from chat_service.observability.metrics import Metrics
from chat_service.rooms.active import ActiveRooms
from chat_service.rooms.reading import LogReader

PAGE = 50
SWEEP_MOST = 1000
"""Replays that one sweep looks at: those behind them come when they are done."""


class ReplayJob:
    """The job `replays`. By room and seq, so that what was lost of a room comes again in its order."""

    name = "replays"

    def __init__(
        self,
        hooks: WebhookDirectory,
        reader: LogReader,
        rooms: ActiveRooms,
        deliverer: Deliverer,
        metrics: Metrics,
    ) -> None:
        self._hooks = hooks
        self._reader = reader
        self._active = rooms
        self._deliverer = deliverer
        self._metrics = metrics

    async def about(self, rooms: Collection[str]) -> list[Work]:
        """See Job. What is written to rooms makes no replay due."""
        del rooms
        return []

    async def due(self) -> AsyncIterator[list[Work]]:
        """See Job."""
        found = await self._hooks.replaying(None, SWEEP_MOST)
        self._metrics.jobs_lag_entries.labels(self.name).set(len(found))
        self._metrics.webhook_dead_letters.set(await self._hooks.dead_letters())
        yield [Work(self.name, webhook, "") for webhook in dict.fromkeys(one.webhook for one in found)]

    async def run(self, work: Work, stopping: asyncio.Event) -> float | None:
        """See Job."""
        hook = await self._hooks.get(work.subject)
        if hook is None or not hook.enabled:
            return None
        while found := await self._hooks.replaying(hook.id, PAGE):
            for delivery in found:
                if stopping.is_set():
                    return 0.0
                wait_s = await self._replay(hook, delivery)
                if wait_s is not None:
                    return wait_s if wait_s >= 0 else None
        return None

    async def _replay(self, hook: Webhook, delivery: Delivery) -> float | None:
        """Make one delivery again; None to go on with the next, else as `run`, with -1 for nothing left."""
        wait_s = self._deliverer.early_s(delivery) or self._deliverer.spared_s(hook.id)
        if wait_s > 0:
            return wait_s
        entry = await self._reader.entry((await self._active.load(delivery.room)).state, delivery.seq)
        if entry is None or letter_of(hook, entry).id != delivery.id:
            lost = "the log has another entry there: it was put back from a copy"
            await self._hooks.put([msgspec.structs.replace(delivery, state=DeliveryState.DEAD, error=lost)])
            return None
        outcome = await self._deliverer.attempt(hook, entry, delivery)
        if outcome.verdict is Verdict.TAKEN:
            await self._hooks.put([outcome.delivery])
        if outcome.verdict is Verdict.AGAIN:
            return outcome.wait_s
        return -1.0 if outcome.verdict is Verdict.GONE else None
