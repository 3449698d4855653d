"""The node directory in the SQLite file."""

from __future__ import annotations

import sqlite3

from chat_service.directory.nodes import NodeRow
from chat_service.storage.migrations import Migration
from chat_service.storage.sqlite import SqliteStore

MIGRATIONS = (
    Migration(
        "nodes-1-rows",
        (
            """CREATE TABLE nodes (
                node TEXT PRIMARY KEY, seen INTEGER NOT NULL, bus_healthy INTEGER NOT NULL, gone INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID""",
        ),
    ),
)

_BEAT = """
    INSERT INTO nodes (node, seen, bus_healthy, gone) VALUES (?, ?, ?, 0)
    ON CONFLICT (node) DO UPDATE SET seen = excluded.seen, bus_healthy = excluded.bus_healthy, gone = 0
"""


class SqliteNodeDirectory:
    """`NodeDirectory` on a SqliteStore."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def beat(self, node: str, now_ms: int, *, bus_healthy: bool) -> None:
        """See NodeDirectory."""

        def run(db: sqlite3.Connection) -> None:
            db.execute(_BEAT, (node, now_ms, bus_healthy))

        await self._store.write(run)

    async def leave(self, node: str) -> None:
        """See NodeDirectory."""

        def run(db: sqlite3.Connection) -> None:
            db.execute("UPDATE nodes SET gone = 1 WHERE node = ?", (node,))

        await self._store.write(run)

    async def peers(self, since_ms: int) -> list[NodeRow]:
        """See NodeDirectory."""

        def run(db: sqlite3.Connection) -> list[NodeRow]:
            rows = db.execute(
                "SELECT node, seen, bus_healthy, gone FROM nodes WHERE seen >= ? ORDER BY node", (since_ms,)
            )
            return [
                NodeRow(node=node, seen=seen, bus_healthy=bool(well), left=bool(gone))
                for node, seen, well, gone in rows
            ]

        return await self._store.read(run)

    async def prune(self, before_ms: int) -> int:
        """See NodeDirectory."""
        return await self._store.write(
            lambda db: db.execute("DELETE FROM nodes WHERE seen < ?", (before_ms,)).rowcount
        )
