"""Webhooks and what became of their deliveries: rows of the store, the secrets that sign among them.

A secret has to be at hand to sign with, so it is kept as it is; whoever reads the store can sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from chat_service.model.entries import Kind
from chat_service.secret import Secret

DELIVERED_KEPT = 100
"""Deliveries that arrived of which each webhook remembers the newest."""

DEAD_KEPT = 10_000
"""Dead letters of a webhook; one more takes the place of the oldest."""

EVERY_ROOM = ""
"""In the place of a room: the webhook is for all of them."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Where entries of one room (or of EVERY_ROOM) are sent to, signed with `secret`.

    `events` are the kinds that are sent, none: all. `reason` says why it is not `enabled`, where the service
    decided so. `created_ts` is in milliseconds since 1970.
    """

    id: str
    room: str
    url: str
    secret: Secret
    events: tuple[Kind, ...]
    enabled: bool
    reason: str
    created_by: str
    created_ts: int


class DeliveryState(StrEnum):
    """How far a delivery is.

    What is `retrying` keeps those of the same room behind it waiting; a `dead` one was given up, and is
    `replaying` once somebody asked for it again.
    """

    RETRYING = "retrying"
    DELIVERED = "delivered"
    DEAD = "dead"
    REPLAYING = "replaying"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One entry on its way to one webhook. Times are in milliseconds since 1970.

    `status` is what the receiver answered last, None where it did not; `error` says in a few words what went
    wrong. `first_ts` is the time of the first attempt, `ts` of the last one, `next_ts` of the next.
    """

    id: str
    webhook: str
    room: str
    seq: int
    event: str
    state: DeliveryState
    attempts: int
    status: int | None
    error: str
    first_ts: int
    ts: int
    next_ts: int


class WebhookDirectory(Protocol):
    """The webhooks of one store. All methods raise ChatError `unavailable` when it cannot be reached."""

    async def add(self, webhook: Webhook, most: int) -> bool:
        """Keep a new webhook; False, and nothing kept, where its room has `most` already."""
        ...

    async def get(self, webhook: str) -> Webhook | None:
        """The webhook of that id."""
        ...

    async def of_room(self, room: str) -> list[Webhook]:
        """The webhooks of a room, or those of EVERY_ROOM, the oldest first."""
        ...

    async def enabled(self, after: str, limit: int) -> list[Webhook]:
        """Webhooks that are enabled, by id, beyond the id `after`."""
        ...

    async def change(self, webhook: Webhook) -> bool:
        """Replace a webhook by what it is to be; False where there is none of its id any more."""
        ...

    async def remove(self, webhook: str) -> None:
        """Forget a webhook and its deliveries. Idempotent."""
        ...

    async def put(self, deliveries: Sequence[Delivery]) -> None:
        """Keep deliveries as they are now, each in the place of what was known of it.

        Of each webhook's only the newest DELIVERED_KEPT that arrived and DEAD_KEPT dead ones stay.
        """
        ...

    async def delivery(self, delivery: str) -> Delivery | None:
        """What is known of a delivery."""
        ...

    async def deliveries(
        self, webhook: str, state: DeliveryState | None, before: tuple[int, str] | None, limit: int
    ) -> list[Delivery]:
        """Deliveries of a webhook, in one state or in any, the newest by (ts, id) first, those below `before`."""
        ...

    async def replaying(self, webhook: str | None, limit: int) -> list[Delivery]:
        """Deliveries that are to be made again, of one webhook or of all, by webhook, room and seq."""
        ...

    async def replay_dead(self, webhook: str, now: int) -> int:
        """Have every dead letter of a webhook made again, from the first attempt; returns how many there were.

        `now` is the time in milliseconds since 1970.
        """
        ...

    async def forget_from(self, webhook: str, room: str, seq: int) -> None:
        """Forget the deliveries of a room's entries from `seq` on: they are to be made as if never made."""
        ...

    async def forget_retries(self, webhook: str) -> None:
        """Forget what is retrying: its next attempt is due at once, and counts as the first."""
        ...

    async def dead_letters(self) -> int:
        """How many dead letters there are, of all webhooks."""
        ...
