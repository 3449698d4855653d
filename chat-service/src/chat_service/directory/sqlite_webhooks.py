"""Webhooks and their deliveries in the SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from chat_service.directory.webhooks import DEAD_KEPT, DELIVERED_KEPT, Delivery, DeliveryState, Webhook
from chat_service.model.entries import Kind
from chat_service.secret import Secret
from chat_service.storage.migrations import Migration
from chat_service.storage.sqlite import SqliteStore

MIGRATIONS = (
    Migration(
        "webhooks-1-rows",
        (
            """CREATE TABLE webhooks (
                id TEXT PRIMARY KEY, room TEXT NOT NULL, url TEXT NOT NULL, secret TEXT NOT NULL,
                events TEXT NOT NULL, enabled INTEGER NOT NULL, reason TEXT NOT NULL, created_by TEXT NOT NULL,
                created_ts INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID""",
            "CREATE INDEX webhooks_room ON webhooks (room, created_ts)",
            "CREATE INDEX webhooks_enabled ON webhooks (id) WHERE enabled = 1",
            """CREATE TABLE deliveries (
                id TEXT PRIMARY KEY, webhook TEXT NOT NULL, room TEXT NOT NULL, seq INTEGER NOT NULL,
                event TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, status INTEGER,
                error TEXT NOT NULL, first_ts INTEGER NOT NULL, ts INTEGER NOT NULL, next_ts INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID""",
            "CREATE INDEX deliveries_newest ON deliveries (webhook, ts, id)",
            "CREATE INDEX deliveries_state ON deliveries (webhook, state, ts, id)",
            "CREATE INDEX deliveries_replaying ON deliveries (webhook, room, seq) WHERE state = 'replaying'",
        ),
    ),
)

_WEBHOOK = "id, room, url, secret, events, enabled, reason, created_by, created_ts"
_DELIVERY = "id, webhook, room, seq, event, state, attempts, status, error, first_ts, ts, next_ts"
_PUT = f"INSERT OR REPLACE INTO deliveries ({_DELIVERY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PRUNE = """
    DELETE FROM deliveries WHERE id IN (
        SELECT id FROM deliveries WHERE webhook = ? AND state = ? ORDER BY ts DESC, id DESC LIMIT -1 OFFSET ?
    )
"""
_KEPT = {DeliveryState.DELIVERED: DELIVERED_KEPT, DeliveryState.DEAD: DEAD_KEPT}
_WebhookRow = tuple[str, str, str, str, str, int, str, str, int]
_DeliveryRow = tuple[str, str, str, int, str, str, int, int | None, str, int, int, int]


class SqliteWebhookDirectory:
    """`WebhookDirectory` on a SqliteStore."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def add(self, webhook: Webhook, most: int) -> bool:
        """See WebhookDirectory."""
        row = _webhook_row(webhook)

        def run(db: sqlite3.Connection) -> bool:
            ((count,),) = db.execute("SELECT count(*) FROM webhooks WHERE room = ?", (webhook.room,))
            if count >= most:
                return False
            db.execute(f"INSERT INTO webhooks ({_WEBHOOK}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            return True

        return await self._store.write(run)

    async def get(self, webhook: str) -> Webhook | None:
        """See WebhookDirectory."""
        found = await self._webhooks("WHERE id = ?", webhook)
        return found[0] if found else None

    async def of_room(self, room: str) -> list[Webhook]:
        """See WebhookDirectory."""
        return await self._webhooks("WHERE room = ? ORDER BY created_ts, id", room)

    async def enabled(self, after: str, limit: int) -> list[Webhook]:
        """See WebhookDirectory."""
        return await self._webhooks("WHERE enabled = 1 AND id > ? ORDER BY id LIMIT ?", after, limit)

    async def change(self, webhook: Webhook) -> bool:
        """See WebhookDirectory."""
        id_, *row = _webhook_row(webhook)

        def run(db: sqlite3.Connection) -> bool:
            changed = db.execute(
                "UPDATE webhooks SET room = ?, url = ?, secret = ?, events = ?, enabled = ?, reason = ?,"
                " created_by = ?, created_ts = ? WHERE id = ?",
                (*row, id_),
            )
            return changed.rowcount > 0

        return await self._store.write(run)

    async def remove(self, webhook: str) -> None:
        """See WebhookDirectory."""

        def run(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM webhooks WHERE id = ?", (webhook,))
            db.execute("DELETE FROM deliveries WHERE webhook = ?", (webhook,))

        await self._store.write(run)

    async def put(self, deliveries: Sequence[Delivery]) -> None:
        """See WebhookDirectory."""
        rows = [tuple(getattr(one, name) for name in Delivery.__struct_fields__) for one in deliveries]
        full = {(one.webhook, one.state) for one in deliveries if one.state in _KEPT}

        def run(db: sqlite3.Connection) -> None:
            db.executemany(_PUT, rows)
            db.executemany(_PRUNE, [(webhook, str(state), _KEPT[state]) for webhook, state in full])

        await self._store.write(run)

    async def delivery(self, delivery: str) -> Delivery | None:
        """See WebhookDirectory."""
        found = await self._deliveries("WHERE id = ?", delivery)
        return found[0] if found else None

    async def deliveries(
        self, webhook: str, state: DeliveryState | None, before: tuple[int, str] | None, limit: int
    ) -> list[Delivery]:
        """See WebhookDirectory."""
        where, values = "WHERE webhook = ?", [webhook]
        if state is not None:
            where, values = f"{where} AND state = ?", [*values, str(state)]
        if before is not None:
            return await self._deliveries(
                f"{where} AND (ts, id) < (?, ?) ORDER BY ts DESC, id DESC LIMIT ?", *values, *before, limit
            )
        return await self._deliveries(f"{where} ORDER BY ts DESC, id DESC LIMIT ?", *values, limit)

    async def replaying(self, webhook: str | None, limit: int) -> list[Delivery]:
        """See WebhookDirectory."""
        order = "ORDER BY webhook, room, seq LIMIT ?"
        if webhook is None:
            return await self._deliveries(f"WHERE state = 'replaying' {order}", limit)
        return await self._deliveries(f"WHERE state = 'replaying' AND webhook = ? {order}", webhook, limit)

    async def replay_dead(self, webhook: str, now: int) -> int:
        """See WebhookDirectory."""

        def run(db: sqlite3.Connection) -> int:
            changed = db.execute(
                "UPDATE deliveries SET state = 'replaying', attempts = 0, first_ts = ?, next_ts = ?"
                " WHERE webhook = ? AND state = 'dead'",
                (now, now, webhook),
            )
            return changed.rowcount

        return await self._store.write(run)

    async def forget_from(self, webhook: str, room: str, seq: int) -> None:
        """See WebhookDirectory."""

        def run(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM deliveries WHERE webhook = ? AND room = ? AND seq >= ?", (webhook, room, seq))

        await self._store.write(run)

    async def forget_retries(self, webhook: str) -> None:
        """See WebhookDirectory."""

        def run(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM deliveries WHERE webhook = ? AND state = 'retrying'", (webhook,))

        await self._store.write(run)

    async def dead_letters(self) -> int:
        """See WebhookDirectory."""

        def run(db: sqlite3.Connection) -> int:
            ((count,),) = db.execute("SELECT count(*) FROM deliveries WHERE state = 'dead'")
            return int(count)

        return await self._store.read(run)

    async def _webhooks(self, where: str, *values: object) -> list[Webhook]:
        def run(db: sqlite3.Connection) -> list[Webhook]:
            return [_webhook(row) for row in db.execute(f"SELECT {_WEBHOOK} FROM webhooks {where}", values)]

        return await self._store.read(run)

    async def _deliveries(self, where: str, *values: object) -> list[Delivery]:
        def run(db: sqlite3.Connection) -> list[Delivery]:
            return [_delivery(row) for row in db.execute(f"SELECT {_DELIVERY} FROM deliveries {where}", values)]

        return await self._store.read(run)


def _webhook_row(webhook: Webhook) -> tuple[object, ...]:
    return (
        webhook.id,
        webhook.room,
        webhook.url,
        webhook.secret.current(),
        json.dumps([str(kind) for kind in webhook.events]),
        int(webhook.enabled),
        webhook.reason,
        webhook.created_by,
        webhook.created_ts,
    )


def _webhook(row: _WebhookRow) -> Webhook:
    id_, room, url, secret, events, enabled, reason, created_by, created_ts = row
    return Webhook(
        id=id_,
        room=room,
        url=url,
        secret=Secret(secret),
        events=tuple(Kind(kind) for kind in json.loads(events)),
        enabled=bool(enabled),
        reason=reason,
        created_by=created_by,
        created_ts=created_ts,
    )


def _delivery(row: _DeliveryRow) -> Delivery:
    id_, webhook, room, seq, event, state, attempts, status, error, first_ts, ts, next_ts = row
    return Delivery(
        id=id_,
        webhook=webhook,
        room=room,
        seq=seq,
        event=event,
        state=DeliveryState(state),
        attempts=attempts,
        status=status,
        error=error,
        first_ts=first_ts,
        ts=ts,
        next_ts=next_ts,
    )
