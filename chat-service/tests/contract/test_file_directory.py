"""What every adapter of FileDirectory must do. A new adapter joins by its name in `ADAPTERS`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chat_service.directory.files import FileDirectory, FileRow
from chat_service.directory.mongo_files import MIGRATIONS as MONGO_MIGRATIONS
from chat_service.directory.mongo_files import MongoFileDirectory
from chat_service.directory.sqlite_files import MIGRATIONS, SqliteFileDirectory
from chat_service.storage.migrations import migrate
from chat_service.storage.sqlite import SqliteStore
from rooms.entries import ALICE, BOB, OTHER_ROOM, ROOM
from servers.mongo_stores import mongo_stores

Directories = tuple[FileDirectory, FileDirectory]
PLENTY = 10**9


@asynccontextmanager
async def sqlite(request: pytest.FixtureRequest) -> AsyncIterator[Directories]:
    folder: Path = request.getfixturevalue("tmp_path")
    stores = [SqliteStore(folder / "chat.db") for _ in range(2)]
    for store in stores:
        await store.open(exclusive=False)
    await migrate(stores[0], MIGRATIONS)
    yield SqliteFileDirectory(stores[0]), SqliteFileDirectory(stores[1])
    for store in stores:
        await store.close()


@asynccontextmanager
async def mongo(request: pytest.FixtureRequest) -> AsyncIterator[Directories]:
    async with mongo_stores(request.getfixturevalue("mongodb_uri"), MONGO_MIGRATIONS) as (one, other):
        yield MongoFileDirectory(one), MongoFileDirectory(other)


ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Directories]]] = {
    "sqlite": sqlite,
    "mongo": mongo,
}


@pytest.fixture(params=ADAPTERS)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Directories]:
    """The directory as two nodes hold it."""
    async with ADAPTERS[request.param](request) as directories:
        yield directories


@pytest.fixture
def directory(pair: Directories) -> FileDirectory:
    return pair[0]


def file(letter: str, **changes: Any) -> FileRow:
    known: dict[str, Any] = {
        "id": ("f" + letter + "a" * 21)[:22],
        "room": ROOM,
        "owner": ALICE,
        "name": f"{letter}.txt",
        "type": "text/plain",
        "size": 10,
        "ts": 1000,
    }
    return FileRow(**(known | changes))


A, B, C = file("a"), file("b"), file("c")


async def filled(directory: FileDirectory, *rows: FileRow) -> None:
    for row in rows:
        assert await directory.add(row, PLENTY)


async def test_a_file_is_found_as_it_was_added(pair: Directories) -> None:
    one, other = pair
    image = file("i", width=3, height=4, thumbnail=True, name="ü.png")
    await filled(one, A, image)
    assert await other.rows([image.id, A.id, B.id]) == {image.id: image, A.id: A}
    assert await other.rows([]) == {}


async def test_nobody_keeps_more_than_their_quota(pair: Directories) -> None:
    one, other = pair
    many = [file("abcdefgh"[number], id=f"f{'abcdefgh'[number]}" + "b" * 20) for number in range(8)]
    added = await asyncio.gather(*(pair[at % 2].add(row, 35) for at, row in enumerate(many)))
    assert added.count(True) == 3
    assert await one.used(ALICE) == 30
    assert await other.used(BOB) == 0
    assert await other.add(file("x", owner=BOB, size=35), 35)
    kept = [row.id for row, there in zip(many, added, strict=True) if there]
    await one.remove(kept[:1])
    await one.remove(kept[:1])
    assert await one.used(ALICE) == 20


async def test_room_given_back_can_be_filled_again(pair: Directories) -> None:
    one, other = pair
    for number in range(5):
        row = file("abcde"[number], size=30)
        assert await one.add(row, 35)
        assert not await other.add(file("x", size=6), 35)
        await other.remove([row.id])
    assert await other.add(file("x", size=35), 35)


async def test_of_two_messages_that_claim_files_at_once_each_file_has_one(pair: Directories) -> None:
    rows = [file(letter) for letter in "abcdefgh"]
    await filled(pair[0], *rows)
    ids = [row.id for row in rows]
    claims = [pair[n % 2].claim(ROOM, ALICE, f"k{n}", ids[n % 3 :], 0) for n in range(6)]
    claimed = await asyncio.gather(*claims, pair[0].claim(ROOM, ALICE, "k0", ids, 0))
    now = await pair[1].rows(ids)
    for n in range(6):
        assert set(claimed[n]) <= {id_ for id_, row in now.items() if row.key == f"k{n}"}
    assert all(row.key for row in now.values())


async def test_a_file_taken_back_while_it_is_claimed_goes_one_way(pair: Directories) -> None:
    rows = [file(letter) for letter in "abcdefgh"]
    await filled(pair[0], *rows)
    for row in rows:
        claimed, gone = await asyncio.gather(
            pair[0].claim(ROOM, ALICE, "k", [row.id], 0), pair[1].take_back(ALICE, row.id)
        )
        assert gone != bool(claimed)
        assert set(await pair[0].rows([row.id])) == set(claimed)


async def test_a_file_belongs_to_the_first_message_that_claims_it(pair: Directories) -> None:
    one, other = pair
    await filled(one, A, B, C)
    assert set(await one.claim(ROOM, ALICE, "k1", [A.id, B.id], 0)) == {A.id, B.id}
    assert set(await other.claim(ROOM, ALICE, "k1", [A.id, B.id], 0)) == {A.id, B.id}
    assert set(await other.claim(ROOM, ALICE, "k2", [A.id, C.id], 0)) == {C.id}
    assert (await one.rows([A.id]))[A.id].key == "k1"


async def test_only_ones_own_new_file_of_the_room_can_be_claimed(directory: FileDirectory) -> None:
    await filled(directory, A)
    assert await directory.claim(OTHER_ROOM, ALICE, "k", [A.id], 0) == {}
    assert await directory.claim(ROOM, BOB, "k", [A.id], 0) == {}
    assert await directory.claim(ROOM, ALICE, "k", [B.id], 0) == {}
    assert await directory.claim(ROOM, ALICE, "k", [A.id], A.ts + 1) == {}
    assert set(await directory.claim(ROOM, ALICE, "k", [A.id], A.ts)) == {A.id}
    # A claim stands, however late it is repeated.
    assert set(await directory.claim(ROOM, ALICE, "k", [A.id], A.ts + 1)) == {A.id}


async def test_what_no_message_brings_is_listed_by_age(directory: FileDirectory) -> None:
    old = [file("a", ts=1), file("b", ts=2), file("c", ts=3)]
    await filled(directory, *old, file("d", ts=9))
    await directory.claim(ROOM, ALICE, "k", [old[0].id, old[1].id], 0)
    await directory.attach([old[0].id, old[2].id])
    listed = await directory.unattached(5, "", 10)
    assert [row.id for row in listed] == [old[1].id, old[2].id]
    assert [row.id for row in await directory.unattached(5, old[1].id, 10)] == [old[2].id]
    assert [row.id for row in await directory.unattached(5, "", 1)] == [old[1].id]


async def test_an_upload_is_taken_back_until_a_message_claims_it(directory: FileDirectory) -> None:
    await filled(directory, A, B)
    await directory.claim(ROOM, ALICE, "k", [B.id], 0)
    assert not await directory.take_back(BOB, A.id)
    assert await directory.take_back(ALICE, A.id)
    assert not await directory.take_back(ALICE, A.id)
    assert not await directory.take_back(ALICE, B.id)
    assert set(await directory.rows([A.id, B.id])) == {B.id}
