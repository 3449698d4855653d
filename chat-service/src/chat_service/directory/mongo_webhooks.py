"""Webhooks and their deliveries in MongoDB: one document each, and one a room for how many it has.

A new webhook is announced in its room's document first, which changes only if nobody announced another one since
it was read: so a room never has more than it may. What was announced by a process that stopped then, and never
came, counts for ANNOUNCED_S.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from chat_service.directory.mongo_rows import batches, document_of, find_among, row_of
from chat_service.directory.webhooks import DEAD_KEPT, DELIVERED_KEPT, Delivery, DeliveryState, Webhook
from chat_service.model.entries import Kind
from chat_service.secret import Secret
from chat_service.storage.mongo import Document, MongoCollection, MongoStore, Order, Where
from chat_service.storage.mongo_migrations import Index, MongoMigration

MIGRATIONS = (
    MongoMigration(
        "webhooks-1-rows",
        (
            Index("webhooks", "webhooks_room", (("room", 1), ("created_ts", 1), ("_id", 1))),
            Index("webhooks", "webhooks_enabled", (("enabled", 1), ("_id", 1))),
            Index("deliveries", "deliveries_newest", (("webhook", 1), ("ts", -1), ("_id", -1))),
            Index("deliveries", "deliveries_state", (("webhook", 1), ("state", 1), ("ts", -1), ("_id", -1))),
            Index("deliveries", "deliveries_room", (("webhook", 1), ("room", 1), ("seq", 1))),
            Index("deliveries", "deliveries_due", (("state", 1), ("webhook", 1), ("room", 1), ("seq", 1))),
        ),
    ),
)

ANNOUNCED_S = 600
"""Far longer than a process needs from the announcement of a webhook to the webhook."""

PAGE = 100
COUNTED_MOST = 100_000
"""Dead letters that are counted: as many stand for as many or more."""

_NEWEST: Order = (("ts", -1), ("_id", -1))
_OLDEST: Order = (("ts", 1), ("_id", 1))
_BY_PLACE: Order = (("webhook", 1), ("room", 1), ("seq", 1))
_KEPT = {DeliveryState.DELIVERED: DELIVERED_KEPT, DeliveryState.DEAD: DEAD_KEPT}


class MongoWebhookDirectory:
    """`WebhookDirectory` on a MongoStore. `clock` gives Unix seconds."""

    def __init__(self, store: MongoStore, clock: Callable[[], float] = time.time) -> None:
        self._webhooks = store.collection("webhooks")
        self._rooms = store.collection("webhook_rooms")
        self._deliveries = store.collection("deliveries")
        self._clock = clock

    async def add(self, webhook: Webhook, most: int) -> bool:
        """See WebhookDirectory."""
        now = int(self._clock())
        while True:
            room = await self._room(webhook.room)
            there = {
                row["_id"] for row in await find_among(self._webhooks, "_id", list(room["announced"]), ["room"])
            }
            counted = {id_: at for id_, at in room["announced"].items() if id_ in there or at > now - ANNOUNCED_S}
            if len(counted) >= most:
                return False
            if await self._announce(room, {**counted, webhook.id: now}):
                break  # else somebody announced another one meanwhile
        await self._webhooks.insert(_document(webhook))
        return True

    async def _room(self, room: str) -> Document:
        id_ = f"room {room}"
        await self._rooms.insert({"_id": id_, "announced": {}, "version": 0})
        found = await self._rooms.find_one({"_id": id_})
        return found or {"_id": id_, "announced": {}, "version": 0}

    async def _announce(self, room: Document, announced: dict[str, int]) -> bool:
        version = int(room["version"])
        change = {"announced": announced, "version": version + 1}
        return await self._rooms.update_one({"_id": room["_id"], "version": version}, {"$set": change})

    async def get(self, webhook: str) -> Webhook | None:
        """See WebhookDirectory."""
        found = await self._webhooks.find_one({"_id": webhook})
        return None if found is None else _webhook(found)

    async def of_room(self, room: str) -> list[Webhook]:
        """See WebhookDirectory."""
        found = await self._webhooks.find({"room": room}, sort=(("created_ts", 1), ("_id", 1)), limit=None)
        return [_webhook(row) for row in found]

    async def enabled(self, after: str, limit: int) -> list[Webhook]:
        """See WebhookDirectory."""
        found = await self._webhooks.find(
            {"enabled": True, "_id": {"$gt": after}}, sort=(("_id", 1),), limit=limit
        )
        return [_webhook(row) for row in found]

    async def change(self, webhook: Webhook) -> bool:
        """See WebhookDirectory."""
        changed = _document(webhook)
        return await self._webhooks.update_one({"_id": changed.pop("_id")}, {"$set": changed})

    async def remove(self, webhook: str) -> None:
        """See WebhookDirectory. What its room's document says of it counts no more, since it is not there."""
        await self._webhooks.delete_one({"_id": webhook})
        await _remove(self._deliveries, {"webhook": webhook}, _NEWEST)

    async def put(self, deliveries: Sequence[Delivery]) -> None:
        """See WebhookDirectory."""
        for batch in batches([document_of(one) for one in deliveries]):
            taken = await self._deliveries.insert_each(batch)
            there = [dict(batch[position]) for position in taken]
            await self._deliveries.update_each([({"_id": row.pop("_id")}, {"$set": row}) for row in there])
        for webhook, state in {(one.webhook, one.state) for one in deliveries if one.state in _KEPT}:
            await self._make_room(webhook, state)

    async def _make_room(self, webhook: str, state: DeliveryState) -> None:
        """Remove the oldest of those that are too many."""
        those, kept = {"webhook": webhook, "state": str(state)}, _KEPT[state]
        while (too_many := await self._deliveries.count(those, limit=kept + PAGE) - kept) > 0:
            oldest = await self._deliveries.find(those, sort=_OLDEST, limit=too_many, fields=["ts"])
            await self._deliveries.delete_many({"_id": {"$in": [row["_id"] for row in oldest]}})

    async def delivery(self, delivery: str) -> Delivery | None:
        """See WebhookDirectory."""
        found = await self._deliveries.find_one({"_id": delivery})
        return None if found is None else row_of(Delivery, found)

    async def deliveries(
        self, webhook: str, state: DeliveryState | None, before: tuple[int, str] | None, limit: int
    ) -> list[Delivery]:
        """See WebhookDirectory."""
        where: dict[str, object] = {"webhook": webhook}
        if state is not None:
            where["state"] = str(state)
        if before is not None:
            ts, id_ = before
            where["$or"] = [{"ts": {"$lt": ts}}, {"ts": ts, "_id": {"$lt": id_}}]
        return await self._found(where, _NEWEST, limit)

    async def replaying(self, webhook: str | None, limit: int) -> list[Delivery]:
        """See WebhookDirectory."""
        where = {"state": str(DeliveryState.REPLAYING)}
        if webhook is not None:
            where["webhook"] = webhook
        return await self._found(where, _BY_PLACE, limit)

    async def replay_dead(self, webhook: str, now: int) -> int:
        """See WebhookDirectory."""
        dead = {"webhook": webhook, "state": str(DeliveryState.DEAD)}
        again = {"state": str(DeliveryState.REPLAYING), "attempts": 0, "first_ts": now, "next_ts": now}
        count = 0
        while found := await self._deliveries.find(dead, sort=_NEWEST, limit=PAGE, fields=["ts"]):
            these = {**dead, "_id": {"$in": [row["_id"] for row in found]}}
            count += await self._deliveries.update_many(these, {"$set": again})
        return count

    async def forget_from(self, webhook: str, room: str, seq: int) -> None:
        """See WebhookDirectory."""
        those = {"webhook": webhook, "room": room, "seq": {"$gte": seq}}
        await _remove(self._deliveries, those, (("seq", 1),))

    async def forget_retries(self, webhook: str) -> None:
        """See WebhookDirectory."""
        await _remove(self._deliveries, {"webhook": webhook, "state": str(DeliveryState.RETRYING)}, _NEWEST)

    async def dead_letters(self) -> int:
        """See WebhookDirectory. Counted up to COUNTED_MOST."""
        return await self._deliveries.count({"state": str(DeliveryState.DEAD)}, limit=COUNTED_MOST)

    async def _found(self, where: Where, sort: Order, limit: int) -> list[Delivery]:
        return [row_of(Delivery, row) for row in await self._deliveries.find(where, sort=sort, limit=limit)]


async def _remove(collection: MongoCollection, where: Where, sort: Order) -> None:
    """Remove whatever matches, page by page: no operation takes long."""
    while found := await collection.find(where, sort=sort, limit=PAGE, fields=["webhook"]):
        await collection.delete_many({"_id": {"$in": [row["_id"] for row in found]}})


def _document(webhook: Webhook) -> Document:
    events = [str(kind) for kind in webhook.events]
    return {**document_of(webhook), "secret": webhook.secret.current(), "events": events}


def _webhook(found: Document) -> Webhook:
    return Webhook(
        id=found["_id"],
        room=found["room"],
        url=found["url"],
        secret=Secret(found["secret"]),
        events=tuple(Kind(kind) for kind in found["events"]),
        enabled=found["enabled"],
        reason=found["reason"],
        created_by=found["created_by"],
        created_ts=int(found["created_ts"]),
    )
