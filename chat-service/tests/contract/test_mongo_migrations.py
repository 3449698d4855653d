"""Migrations of MongoDB: made once, by one node at a time, and without a unique index where there can be none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pymongo
import pytest

from chat_service.storage.mongo import MongoStore
from chat_service.storage.mongo_migrations import Index, MongoMigration, migrate

FIRST = MongoMigration("test-1", (Index("things", "size", (("size", 1), ("_id", 1))),))
SECOND = MongoMigration("test-2", (Index("things", "once", (("once", 1),), unique=True),))
BOTH = (FIRST, SECOND)


@pytest.fixture
async def nodes(mongodb_uri: str) -> AsyncIterator[list[MongoStore]]:
    stores = [MongoStore(mongodb_uri) for _ in range(3)]
    for store in stores:
        await store.open()
    yield stores
    for store in stores:
        await store.close()


async def test_nodes_that_start_together_migrate_once(nodes: list[MongoStore]) -> None:
    applied = await asyncio.gather(*(migrate(node, BOTH) for node in nodes))
    assert sorted(applied) == [[], [], ["test-1", "test-2"]]
    assert await nodes[0].collection("things").indexes() == {"_id_": False, "size": False, "once": True}
    assert all(node.refuses_repeated_keys for node in nodes)
    assert await nodes[0].collection("leases").count({"_id": {"$gte": ""}}, limit=1) == 0


async def test_a_later_version_adds_what_is_new_and_the_one_before_still_starts(nodes: list[MongoStore]) -> None:
    assert await migrate(nodes[0], [FIRST]) == ["test-1"]
    assert await migrate(nodes[1], BOTH) == ["test-2"]
    assert await migrate(nodes[2], [FIRST]) == []


async def test_a_migration_that_was_cut_short_is_done_again(nodes: list[MongoStore]) -> None:
    await nodes[0].collection("things").create_index("size", FIRST.indexes[0].keys)
    assert await migrate(nodes[0], BOTH) == ["test-1", "test-2"]


async def test_the_lease_of_a_node_that_died_is_taken_over_and_a_held_one_waited_for(
    nodes: list[MongoStore],
) -> None:
    leases = nodes[0].collection("leases")
    now = time.time_ns() // 1_000_000
    await leases.insert({"_id": "migrate", "owner": "dead", "until": now - 1})
    assert await migrate(nodes[0], [FIRST]) == ["test-1"]
    await leases.insert({"_id": "migrate", "owner": "alive", "until": now + 3_600_000})
    waiting = asyncio.create_task(migrate(nodes[1], BOTH))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await leases.delete_one({"_id": "migrate", "owner": "alive"})
    assert await asyncio.wait_for(waiting, 30) == ["test-2"]


async def test_a_unique_index_that_cannot_be_made_is_done_without(
    nodes: list[MongoStore], mongodb_uri: str
) -> None:
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
        client.get_default_database()["things"].insert_many([{"_id": "a", "once": 1}, {"_id": "b", "once": 1}])
    assert await migrate(nodes[0], BOTH) == ["test-1", "test-2"]
    assert not nodes[0].refuses_repeated_keys
    assert await migrate(nodes[1], BOTH) == []
    assert not nodes[1].refuses_repeated_keys
    assert (await nodes[0].collection("things").indexes())["once"] is False
