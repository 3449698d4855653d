"""The cursors of jobs in the SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping

from chat_service.storage.migrations import Migration
from chat_service.storage.sqlite import SqliteStore

MIGRATIONS = (
    Migration(
        "cursors-1-jobs",
        (
            """CREATE TABLE job_cursors (
                job TEXT NOT NULL, room TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (job, room)
            ) STRICT, WITHOUT ROWID""",
        ),
    ),
)

_PUT = "INSERT INTO job_cursors VALUES (?, ?, ?) ON CONFLICT (job, room) DO UPDATE SET seq = excluded.seq"


class SqliteJobCursors:
    """`JobCursors` on a SqliteStore."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def of(self, job: str, rooms: Collection[str]) -> dict[str, int]:
        """See JobCursors."""

        def run(db: sqlite3.Connection) -> dict[str, int]:
            rows = db.execute(
                "SELECT room, seq FROM job_cursors WHERE job = ? AND room IN (SELECT value FROM json_each(?))",
                (job, json.dumps(list(rooms))),
            )
            return dict(rows.fetchall())

        return await self._store.read(run)

    async def advance(self, job: str, room: str, at: int, to: int) -> bool:
        """See JobCursors."""

        def run(db: sqlite3.Connection) -> bool:
            if at == 0:
                db.execute("INSERT OR IGNORE INTO job_cursors VALUES (?, ?, 0)", (job, room))
            moved = db.execute(
                "UPDATE job_cursors SET seq = ? WHERE job = ? AND room = ? AND seq = ?", (to, job, room, at)
            )
            return moved.rowcount > 0

        return await self._store.write(run)

    async def put(self, job: str, cursors: Mapping[str, int]) -> None:
        """See JobCursors."""
        rows = [(job, room, seq) for room, seq in cursors.items()]
        await self._store.write(lambda db: _put(db, rows))

    async def forget(self, job: str) -> None:
        """See JobCursors."""

        def run(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM job_cursors WHERE job = ?", (job,))

        await self._store.write(run)


def _put(db: sqlite3.Connection, rows: list[tuple[str, str, int]]) -> None:
    db.executemany(_PUT, rows)
