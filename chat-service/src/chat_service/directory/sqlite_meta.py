"""What the SQLite file knows of itself."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable

from chat_service.storage.migrations import Migration
from chat_service.storage.sqlite import SqliteStore

MIGRATIONS = (
    Migration(
        "meta-1-values",
        ("CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",),
    ),
)

_INCARNATION = "incarnation"
_SECRET = "secret:"  # noqa: S105 - what the names of secrets begin with


class SqliteStoreMeta:
    """`StoreMeta` on a SqliteStore."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def incarnation(self) -> str:
        """See StoreMeta."""
        return (await self._first(_INCARNATION, _new_incarnation)).decode()

    async def new_incarnation(self) -> str:
        """See StoreMeta."""
        value = _new_incarnation()

        def run(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_INCARNATION, value))

        await self._store.write(run)
        return value.decode()

    async def secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """See StoreMeta."""
        return await self._first(_SECRET + name, make)

    async def _first(self, name: str, make: Callable[[], bytes]) -> bytes:
        def stored(db: sqlite3.Connection) -> bytes | None:
            row: tuple[bytes] | None = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
            return None if row is None else row[0]

        def keep(db: sqlite3.Connection) -> bytes:
            db.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO NOTHING", (name, make()))
            value = stored(db)
            assert value is not None  # noqa: S101 - inserted above
            return value

        value = await self._store.read(stored)
        return await self._store.write(keep) if value is None else value


def _new_incarnation() -> bytes:
    return secrets.token_hex(8).encode()
