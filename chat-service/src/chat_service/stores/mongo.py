"""The stores of several nodes: one MongoDB database."""

from __future__ import annotations

from pathlib import Path

from chat_service.directory import mongo_files, mongo_meta, mongo_nodes, mongo_people, mongo_rooms, mongo_texts
from chat_service.log import mongo as mongo_log
from chat_service.log import mongo_documents
from chat_service.secret import Secret
from chat_service.storage.mongo import MongoStore
from chat_service.storage.mongo_migrations import migrate
from chat_service.stores import Stores

MIGRATIONS = (
    *mongo_meta.MIGRATIONS,
    *mongo_documents.MIGRATIONS,
    *mongo_rooms.MIGRATIONS,
    *mongo_people.MIGRATIONS,
    *mongo_files.MIGRATIONS,
    *mongo_texts.MIGRATIONS,
    *mongo_nodes.MIGRATIONS,
)


async def open_stores(uri: Secret, tls_ca: Path | None) -> Stores:
    """Open the database that `uri` names. Raises as `chat_service.stores.open_stores`."""
    store = MongoStore(uri.current, tls_ca=tls_ca)
    try:
        await store.open()
        migrated = await migrate(store, MIGRATIONS)
    except BaseException:
        await store.close()
        raise
    return Stores(
        database=store,
        file=None,
        migrated=migrated,
        meta=mongo_meta.MongoStoreMeta(store),
        log=mongo_log.MongoRoomLog(store),
        rooms=mongo_rooms.MongoRoomDirectory(store),
        people=mongo_people.MongoPeopleDirectory(store),
        files=mongo_files.MongoFileDirectory(store),
        texts=mongo_texts.MongoMessageTexts(store),
        nodes=mongo_nodes.MongoNodeDirectory(store),
    )
