"""The stores: the database that the settings name, opened, brought up to date, and every adapter on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from chat_service.directory.files import FileDirectory
    from chat_service.directory.meta import StoreMeta
    from chat_service.directory.nodes import NodeDirectory
    from chat_service.directory.people import PeopleDirectory
    from chat_service.directory.rooms import RoomDirectory
    from chat_service.directory.texts import MessageTexts
    from chat_service.log import RoomLog
    from chat_service.settings import Settings
    from chat_service.storage import Database
    from chat_service.storage.sqlite import SqliteStore

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
    nodes: NodeDirectory


async def open_stores(settings: Settings, *, exclusive: bool) -> Stores:
    """Open the database that `settings` name and bring it up to date.

    `exclusive` for the one process that serves an SQLite file. Raises RuntimeError where another one does or
    the server may not be used, ValueError for a URI that cannot be, ChatError `unavailable` where the database
    cannot be reached.
    """
    # Only who uses MongoDB loads its driver.
    if settings.mongodb_uri is None:
        from chat_service.stores import sqlite  # noqa: PLC0415

        stores = await sqlite.open_stores(settings.data_dir, exclusive=exclusive)
    else:
        from chat_service.stores import mongo  # noqa: PLC0415

        stores = await mongo.open_stores(settings.mongodb_uri, settings.mongodb_tls_ca)
    if stores.migrated:
        log.info("store.migrated", applied=stores.migrated)
    return stores
