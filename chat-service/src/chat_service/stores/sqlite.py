"""The stores of the embedded default: one SQLite file."""

from __future__ import annotations

from pathlib import Path

from chat_service.directory import (
    sqlite_files,
    sqlite_meta,
    sqlite_nodes,
    sqlite_people,
    sqlite_rooms,
    sqlite_texts,
)
from chat_service.log import sqlite as sqlite_log
from chat_service.storage.migrations import migrate
from chat_service.storage.sqlite import SqliteStore
from chat_service.stores import Stores

MIGRATIONS = (
    *sqlite_meta.MIGRATIONS,
    *sqlite_log.MIGRATIONS,
    *sqlite_rooms.MIGRATIONS,
    *sqlite_people.MIGRATIONS,
    *sqlite_files.MIGRATIONS,
    *sqlite_texts.MIGRATIONS,
    *sqlite_nodes.MIGRATIONS,
)
FILE = "chat.db"


async def open_stores(folder: Path, *, exclusive: bool) -> Stores:
    """Open the file in `folder`, made where missing. Raises as `chat_service.stores.open_stores`."""
    store = SqliteStore(folder / FILE)
    await store.open(exclusive=exclusive)
    try:
        migrated = await migrate(store, MIGRATIONS)
    except BaseException:
        await store.close()
        raise
    return Stores(
        database=store,
        file=store,
        migrated=migrated,
        meta=sqlite_meta.SqliteStoreMeta(store),
        log=sqlite_log.SqliteRoomLog(store),
        rooms=sqlite_rooms.SqliteRoomDirectory(store),
        people=sqlite_people.SqlitePeopleDirectory(store),
        files=sqlite_files.SqliteFileDirectory(store),
        texts=sqlite_texts.SqliteMessageTexts(store),
        nodes=sqlite_nodes.SqliteNodeDirectory(store),
    )
