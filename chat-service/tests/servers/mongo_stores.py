"""Stores on one MongoDB database, as the nodes of a test hold it; every command they send is checked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from chat_service.storage.mongo import MongoStore
from chat_service.storage.mongo_migrations import MongoMigration, migrate
from servers.mongo_subset import SubsetGuard


@asynccontextmanager
async def mongo_stores(
    uri: str, migrations: Sequence[MongoMigration], count: int = 2
) -> AsyncIterator[list[MongoStore]]:
    """Open `count` stores on the migrated database at `uri`; fails where one sent what not every server knows."""
    guard = SubsetGuard(migrations)
    stores = [MongoStore(uri, listeners=[guard]) for _ in range(count)]
    try:
        for store in stores:
            await store.open()
            await migrate(store, migrations)
        yield stores
    finally:
        for store in stores:
            await store.close()
    assert not guard.outside, guard.outside


def without_unique(migrations: Sequence[MongoMigration]) -> tuple[MongoMigration, ...]:
    """The same indexes as a server has them that keeps no unique one."""
    return tuple(
        replace(step, indexes=tuple(replace(index, unique=False) for index in step.indexes)) for step in migrations
    )
