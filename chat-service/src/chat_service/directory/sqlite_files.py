"""The file directory in the SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence

from chat_service.directory.files import FileRow
from chat_service.storage.migrations import Migration
from chat_service.storage.sqlite import SqliteStore

MIGRATIONS = (
    Migration(
        "files-1-rows",
        (
            """CREATE TABLE files (
                id TEXT PRIMARY KEY, room TEXT NOT NULL, owner TEXT NOT NULL, name TEXT NOT NULL,
                type TEXT NOT NULL, size INTEGER NOT NULL, ts INTEGER NOT NULL, width INTEGER, height INTEGER,
                thumbnail INTEGER NOT NULL, key TEXT, attached INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID""",
            "CREATE INDEX files_owner ON files (owner, size)",
            "CREATE INDEX files_unattached ON files (id, ts) WHERE attached = 0",
        ),
    ),
)

_COLUMNS = "id, room, owner, name, type, size, ts, width, height, thumbnail, key, attached"
_THESE = "id IN (SELECT value FROM json_each(?))"
_CLAIM = f"""
    UPDATE files SET key = ? WHERE {_THESE} AND room = ? AND owner = ? AND (key = ? OR (key IS NULL AND ts >= ?))
    RETURNING {_COLUMNS}
"""
_Row = tuple[str, str, str, str, str, int, int, int | None, int | None, int, str | None, int]


class SqliteFileDirectory:
    """`FileDirectory` on a SqliteStore."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def add(self, row: FileRow, quota: int) -> bool:
        """See FileDirectory."""

        def run(db: sqlite3.Connection) -> bool:
            if _used(db, row.owner) + row.size > quota:
                return False
            db.execute(
                f"INSERT INTO files ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                tuple(getattr(row, name) for name in FileRow.__struct_fields__),
            )
            return True

        return await self._store.write(run)

    async def rows(self, files: Collection[str]) -> dict[str, FileRow]:
        """See FileDirectory."""

        def run(db: sqlite3.Connection) -> dict[str, FileRow]:
            rows = db.execute(f"SELECT {_COLUMNS} FROM files WHERE {_THESE}", (_json(files),))
            return {row[0]: _file(row) for row in rows}

        return await self._store.read(run)

    async def claim(self, room: str, owner: str, key: str, files: Sequence[str], since: int) -> dict[str, FileRow]:
        """See FileDirectory."""

        def run(db: sqlite3.Connection) -> dict[str, FileRow]:
            rows = db.execute(_CLAIM, (key, _json(files), room, owner, key, since)).fetchall()
            return {row[0]: _file(row) for row in rows}

        return await self._store.write(run)

    async def attach(self, files: Collection[str]) -> None:
        """See FileDirectory."""

        def run(db: sqlite3.Connection) -> None:
            db.execute(f"UPDATE files SET attached = 1 WHERE {_THESE} AND key IS NOT NULL", (_json(files),))

        await self._store.write(run)

    async def remove(self, files: Collection[str]) -> None:
        """See FileDirectory."""

        def run(db: sqlite3.Connection) -> None:
            db.execute(f"DELETE FROM files WHERE {_THESE}", (_json(files),))

        await self._store.write(run)

    async def take_back(self, owner: str, file: str) -> bool:
        """See FileDirectory."""

        def run(db: sqlite3.Connection) -> bool:
            gone = db.execute("DELETE FROM files WHERE id = ? AND owner = ? AND key IS NULL", (file, owner))
            return gone.rowcount > 0

        return await self._store.write(run)

    async def used(self, owner: str) -> int:
        """See FileDirectory."""
        return await self._store.read(lambda db: _used(db, owner))

    async def unattached(self, before: int, after: str, limit: int) -> list[FileRow]:
        """See FileDirectory."""

        def run(db: sqlite3.Connection) -> list[FileRow]:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM files WHERE attached = 0 AND ts < ? AND id > ? ORDER BY id LIMIT ?",
                (before, after, limit),
            )
            return [_file(row) for row in rows]

        return await self._store.read(run)


def _used(db: sqlite3.Connection, owner: str) -> int:
    ((used,),) = db.execute("SELECT coalesce(sum(size), 0) FROM files WHERE owner = ?", (owner,))
    return int(used)


def _json(files: Collection[str]) -> str:
    return json.dumps(list(files))


def _file(row: _Row) -> FileRow:
    id_, room, owner, name, kind, size, ts, width, height, thumbnail, key, attached = row
    return FileRow(
        id=id_,
        room=room,
        owner=owner,
        name=name,
        type=kind,
        size=size,
        ts=ts,
        width=width,
        height=height,
        thumbnail=bool(thumbnail),
        key=key,
        attached=bool(attached),
    )
