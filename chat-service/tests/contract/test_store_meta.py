"""What every adapter of StoreMeta must do. A new adapter joins by its name in `ADAPTERS`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from chat_service.directory.meta import StoreMeta
from chat_service.directory.sqlite_meta import MIGRATIONS, SqliteStoreMeta
from chat_service.storage.migrations import migrate
from chat_service.storage.sqlite import SqliteStore


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[StoreMeta]:
    store = SqliteStore(folder / "chat.db")
    await store.open(exclusive=False)
    await migrate(store, MIGRATIONS)
    yield SqliteStoreMeta(store)
    await store.close()


ADAPTERS: dict[str, Callable[[Path], AbstractAsyncContextManager[StoreMeta]]] = {"sqlite": sqlite}


@pytest.fixture(params=ADAPTERS)
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[StoreMeta, StoreMeta]]:
    """Two nodes on one store."""
    adapter = ADAPTERS[request.param]
    async with adapter(tmp_path) as one, adapter(tmp_path) as other:
        yield one, other


async def test_nodes_that_start_together_agree_on_the_incarnation(pair: tuple[StoreMeta, StoreMeta]) -> None:
    found = await asyncio.gather(*(node.incarnation() for node in pair * 5))
    assert len(set(found)) == 1
    assert found[0] == await pair[0].incarnation() != ""


async def test_after_a_restore_every_node_sees_the_new_incarnation(pair: tuple[StoreMeta, StoreMeta]) -> None:
    one, other = pair
    before = await one.incarnation()
    after = await one.new_incarnation()
    assert after != before
    assert await other.incarnation() == after


async def test_nodes_that_start_together_agree_on_a_secret(pair: tuple[StoreMeta, StoreMeta]) -> None:
    def make() -> bytes:
        return secrets.token_bytes(32)

    found = await asyncio.gather(*(node.secret("digest", make) for node in pair * 5))
    assert len(set(found)) == 1
    assert len(found[0]) == 32
    assert await pair[0].secret("another", make) != found[0]
    assert await pair[1].secret("incarnation", make) != (await pair[1].incarnation()).encode()
