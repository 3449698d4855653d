"""Delivering: an entry made into a letter, one attempt of it judged and noted down."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

import msgspec
import structlog

from chat_service.directory.webhooks import Delivery, DeliveryState, Webhook, WebhookDirectory
from chat_service.jobs.patience import Circuit, Patience
from chat_service.jobs.sending import Answer, Letter, Sender
from chat_service.model.entries import Entry, wire
from chat_service.model.ids import delivery_id, new_delivery_id
from chat_service.observability.metrics import Metrics

PING = "ping"
"""The event of a letter that only asks whether the receiver is there."""

log = structlog.get_logger()


class Verdict(Enum):
    """What an attempt means for what waits behind it."""

    TAKEN = auto()
    AGAIN = auto()
    DEAD = auto()
    GONE = auto()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to: the verdict, the delivery as it is now, and when to come back where it is AGAIN."""

    verdict: Verdict
    delivery: Delivery
    wait_s: float = 0.0


class Deliverer:
    """Makes attempts, for lanes of entries and for replays alike."""

    def __init__(
        self,
        hooks: WebhookDirectory,
        sender: Sender,
        patience: Patience,
        metrics: Metrics,
        clock_ms: Callable[[], int],
    ) -> None:
        self._hooks = hooks
        self._sender = sender
        self._patience = patience
        self._metrics = metrics
        self._clock_ms = clock_ms
        self._circuits: dict[str, Circuit] = {}

    def spared_s(self, webhook: str) -> float:
        """How long the receiver is to be left alone yet; 0 lets one attempt through."""
        circuit = self._circuits.get(webhook)
        return 0.0 if circuit is None else circuit.wait_s(time.monotonic())

    def early_s(self, before: Delivery | None) -> float:
        """How long it is until the next attempt of what was attempted before."""
        return 0.0 if before is None else max(0.0, (before.next_ts - self._clock_ms()) / 1000)

    def forget(self, webhooks: set[str]) -> None:
        """Keep what is known of these receivers only."""
        for webhook in self._circuits.keys() - webhooks:
            del self._circuits[webhook]

    async def attempt(self, webhook: Webhook, entry: Entry, before: Delivery | None) -> Outcome:
        """Send `entry` once. What has failed is in the store when this returns; what arrived is not yet."""
        attempts = 1 if before is None else before.attempts + 1
        began = self._clock_ms()
        letter = letter_of(webhook, entry)
        answer = await self._sender.send(webhook, letter, attempts)
        circuit = self._circuits.setdefault(webhook.id, Circuit(self._patience))
        tried = Delivery(
            id=letter.id,
            webhook=webhook.id,
            room=entry.room,
            seq=entry.seq,
            event=letter.event,
            state=DeliveryState.DELIVERED,
            attempts=attempts,
            status=answer.status,
            error=answer.error,
            first_ts=began if before is None else before.first_ts,
            ts=self._clock_ms(),
            next_ts=0,
        )
        if answer.taken:
            circuit.succeeded()
            self._count("delivered")
            return Outcome(Verdict.TAKEN, tried)
        circuit.failed(time.monotonic())
        outcome = self._failed(tried, answer, replay=before is not None and _is_replay(before))
        await self._hooks.put([outcome.delivery])
        if outcome.verdict is Verdict.GONE:
            await self._disable(webhook, "The receiver answered 410 Gone.")
        return outcome

    async def ping(self, webhook: Webhook) -> Answer:
        """Ask the receiver whether it is there, with a letter that is of no entry."""
        body = {"webhook": webhook.id, "event": PING}
        letter = Letter(new_delivery_id(), PING, msgspec.json.encode(body))
        answer = await self._sender.send(webhook, letter, 1)
        self._count("ping_delivered" if answer.taken else "ping_failed")
        return answer

    def _failed(self, tried: Delivery, answer: Answer, *, replay: bool) -> Outcome:
        waiting = DeliveryState.REPLAYING if replay else DeliveryState.RETRYING
        if answer.gone:
            self._count("gone")
            return Outcome(Verdict.GONE, msgspec.structs.replace(tried, state=waiting))
        age_s = (tried.ts - tried.first_ts) / 1000
        fields = {"webhook": tried.webhook, "delivery": tried.id, "attempt": tried.attempts, "error": tried.error}
        if self._patience.ends(tried.attempts, age_s):
            self._count("dead")
            log.warning("webhook.given_up", **fields)
            return Outcome(Verdict.DEAD, msgspec.structs.replace(tried, state=DeliveryState.DEAD))
        self._count("failed")
        log.info("webhook.failed", **fields)
        wait_s = self._patience.pause_s(tried.attempts, answer.retry_after_s)
        next_ts = tried.ts + int(wait_s * 1000)
        return Outcome(Verdict.AGAIN, msgspec.structs.replace(tried, state=waiting, next_ts=next_ts), wait_s)

    async def _disable(self, webhook: Webhook, reason: str) -> None:
        now = await self._hooks.get(webhook.id)
        if now is not None and now.url == webhook.url:
            await self._hooks.change(msgspec.structs.replace(now, enabled=False, reason=reason))
            log.warning("webhook.disabled", webhook=webhook.id, reason=reason)

    def _count(self, outcome: str) -> None:
        self._metrics.webhook_deliveries.labels(outcome).inc()


def letter_of(webhook: Webhook, entry: Entry) -> Letter:
    """The letter that brings an entry, as readers see it now."""
    delivery = delivery_id(webhook.id, entry.room, entry.seq, entry.id)
    body = {"webhook": webhook.id, "event": str(entry.kind), "entry": wire(entry)}
    return Letter(delivery, str(entry.kind), msgspec.json.encode(body))


def _is_replay(delivery: Delivery) -> bool:
    return delivery.state is DeliveryState.REPLAYING
