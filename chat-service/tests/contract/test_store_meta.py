"""What every adapter of StoreMeta must do. A new adapter joins by its name in `ADAPTERS`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from chat_service.directory.meta import StoreMeta
from chat_service.directory.mongo_meta import MIGRATIONS as MONGO_MIGRATIONS
from chat_service.directory.mongo_meta import MongoStoreMeta
from chat_service.directory.sqlite_meta import MIGRATIONS, SqliteStoreMeta
from chat_service.storage.migrations import migrate
from chat_service.storage.sqlite import SqliteStore
from servers.mongo_stores import mongo_stores

Metas = tuple[StoreMeta, StoreMeta]


@asynccontextmanager
async def sqlite(request: pytest.FixtureRequest) -> AsyncIterator[Metas]:
    folder: Path = request.getfixturevalue("tmp_path")
    stores = [SqliteStore(folder / "chat.db") for _ in range(2)]
    for store in stores:
        await store.open(exclusive=False)
        await migrate(store, MIGRATIONS)
    yield SqliteStoreMeta(stores[0]), SqliteStoreMeta(stores[1])
    for store in stores:
        await store.close()


@asynccontextmanager
async def mongo(request: pytest.FixtureRequest) -> AsyncIterator[Metas]:
    async with mongo_stores(request.getfixturevalue("mongodb_uri"), MONGO_MIGRATIONS) as (one, other):
        yield MongoStoreMeta(one), MongoStoreMeta(other)


ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Metas]]] = {
    "sqlite": sqlite,
    "mongo": mongo,
}


@pytest.fixture(params=ADAPTERS)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Metas]:
    """Two nodes on one store."""
    async with ADAPTERS[request.param](request) as metas:
        yield metas


async def test_nodes_that_start_together_agree_on_the_incarnation(pair: Metas) -> None:
    found = await asyncio.gather(*(node.incarnation() for node in pair * 5))
    assert len(set(found)) == 1
    assert found[0] == await pair[0].incarnation() != ""


async def test_after_a_restore_every_node_sees_the_new_incarnation(pair: Metas) -> None:
    one, other = pair
    before = await one.incarnation()
    after = await one.new_incarnation()
    assert after != before
    assert await other.incarnation() == after


async def test_nodes_that_start_together_agree_on_a_secret(pair: Metas) -> None:
    def make() -> bytes:
        return secrets.token_bytes(32)

    found = await asyncio.gather(*(node.secret("digest", make) for node in pair * 5))
    assert len(set(found)) == 1
    assert len(found[0]) == 32
    assert await pair[0].secret("another", make) != found[0]
    assert await pair[1].secret("incarnation", make) != (await pair[1].incarnation()).encode()
