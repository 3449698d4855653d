"""Migrations of the MongoDB database: named, idempotent, expand first, each recorded once done.

Nodes that start together take turns by a lease in the database; one that dies with it delays the others by
LEASE_S. A migration only adds: the version before must be able to work on what it leaves behind.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from chat_service.model.errors import ChatError, unavailable
from chat_service.storage.mongo import MongoCollection, MongoStore, Order

LEASE_S = 30.0
"""How long the lease lasts when it is not renewed (at a third of that), by the wall clocks of the nodes.

Clocks that differ by more let two nodes migrate at once, which is harmless: every step may run twice.
"""

_POLL_S = 0.2
_WAIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Index:
    """An index of a collection; the name never changes, the fields of one name neither.

    A `unique` one is a second line of defence: where the server refuses it, it is made without and
    `MongoStore.refuses_repeated_keys` is False. Uniqueness that is relied upon belongs in `_id`.
    """

    collection: str
    name: str
    keys: Order
    unique: bool = False


@dataclass(frozen=True, slots=True)
class MongoMigration:
    """One step: a name that never changes, and the indexes that it makes."""

    name: str
    indexes: tuple[Index, ...]


async def migrate(store: MongoStore, migrations: Sequence[MongoMigration]) -> list[str]:
    """Apply those of `migrations` that the database lacks, in order; return the names applied now.

    Afterwards `store.refuses_repeated_keys` says whether every unique index is really there.
    """
    applied = []
    if await _missing(store, migrations):
        async with store.patient() as patient, _lease(store.collection("leases"), "migrate"):
            for step in await _missing(patient, migrations):
                for index in step.indexes:
                    await _make(patient.collection(index.collection), index)
                done = {"_id": step.name, "at": time.time_ns() // 1_000_000}
                await patient.collection("migrations").insert(done)
                applied.append(step.name)
    unique = [index for step in migrations for index in step.indexes if index.unique]
    for index in unique:
        kept = (await store.collection(index.collection).indexes()).get(index.name)
        store.refuses_repeated_keys = store.refuses_repeated_keys and kept is True
    return applied


async def _missing(store: MongoStore, migrations: Sequence[MongoMigration]) -> list[MongoMigration]:
    done = await store.collection("migrations").find({}, sort=None, limit=None, fields=["_id"])
    names = {document["_id"] for document in done}
    return [step for step in migrations if step.name not in names]


async def _make(collection: MongoCollection, index: Index) -> None:
    # Firestore has no index on `_id` until one is asked for; everywhere else this one is there already.
    if "_id_" not in await collection.indexes():
        await collection.create_index("_id_", (("_id", 1),))
    if index.unique and await collection.create_index(index.name, index.keys, unique=True):
        return
    if not await collection.create_index(index.name, index.keys):
        raise RuntimeError(f"The MongoDB server refuses the index {index.name} on {index.collection}.")


@asynccontextmanager
async def _lease(leases: MongoCollection, name: str) -> AsyncIterator[None]:
    """Hold the lease of that name, once whoever has it lets go or stops renewing it."""
    owner = secrets.token_hex(8)
    deadline = time.monotonic() + _WAIT_S
    while not await _take(leases, name, owner):
        if time.monotonic() > deadline:
            raise unavailable("Another node has been migrating the database for too long. Try again.")
        await asyncio.sleep(_POLL_S)
    keeper = asyncio.get_running_loop().create_task(_keep(leases, name, owner), name=f"lease {name}")
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await leases.delete_one({"_id": name, "owner": owner})


async def _take(leases: MongoCollection, name: str, owner: str) -> bool:
    held = {"owner": owner, "until": _now_ms() + round(1000 * LEASE_S)}
    if await leases.insert({"_id": name, **held}):
        return True
    return await leases.update_one({"_id": name, "until": {"$lt": _now_ms()}}, {"$set": held})


async def _keep(leases: MongoCollection, name: str, owner: str) -> None:
    while True:
        await asyncio.sleep(LEASE_S / 3)
        until = _now_ms() + round(1000 * LEASE_S)
        with suppress(ChatError):  # a server that is away for a moment: the next time may do
            await leases.update_one({"_id": name, "owner": owner}, {"$set": {"until": until}})


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
