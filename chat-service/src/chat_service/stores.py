"""The stores: the database that the settings name, opened, brought up to date, and every adapter on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from chat_service.directory import sqlite_files, sqlite_meta, sqlite_people, sqlite_rooms, sqlite_texts
from chat_service.log import sqlite as sqlite_log
from chat_service.storage.migrations import migrate as migrate_sqlite
from chat_service.storage.sqlite import SqliteStore

if TYPE_CHECKING:
    from chat_service.directory.files import FileDirectory
    from chat_service.directory.meta import StoreMeta
    from chat_service.directory.people import PeopleDirectory
    from chat_service.directory.rooms import RoomDirectory
    from chat_service.directory.texts import MessageTexts
    from chat_service.log import RoomLog
    from chat_service.settings import Settings
    from chat_service.storage import Database

SQLITE_MIGRATIONS = (
    *sqlite_meta.MIGRATIONS,
    *sqlite_log.MIGRATIONS,
    *sqlite_rooms.MIGRATIONS,
    *sqlite_people.MIGRATIONS,
    *sqlite_files.MIGRATIONS,
    *sqlite_texts.MIGRATIONS,
)
SQLITE_FILE = "chat.db"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stores:
    """One open database and what is kept in it. `file` is set where other processes write it unheard."""

    database: Database
    file: SqliteStore | None
    migrated: list[str]
    """The names of the migrations that opening it applied."""
    meta: StoreMeta
    log: RoomLog
    rooms: RoomDirectory
    people: PeopleDirectory
    files: FileDirectory
    texts: MessageTexts


async def open_stores(settings: Settings, *, exclusive: bool) -> Stores:
    """Open the database that `settings` name and bring it up to date.

    `exclusive` for the one process that serves an SQLite file. Raises RuntimeError where another one does,
    ChatError `unavailable` where the database cannot be reached.
    """
    stores = await _open_sqlite(settings, exclusive=exclusive)
    if stores.migrated:
        log.info("store.migrated", applied=stores.migrated)
    return stores


async def _open_sqlite(settings: Settings, *, exclusive: bool) -> Stores:
    store = SqliteStore(settings.data_dir / SQLITE_FILE)
    await store.open(exclusive=exclusive)
    try:
        migrated = await migrate_sqlite(store, SQLITE_MIGRATIONS)
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
    )
