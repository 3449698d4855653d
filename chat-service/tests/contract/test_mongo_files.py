"""The file directory in MongoDB where a node stops, or is held up, while it adds a file."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chat_service.directory.files import FileRow
from chat_service.directory.mongo_files import ADDING_S, MIGRATIONS, MongoFileDirectory
from chat_service.model.errors import ChatError, unavailable
from rooms.entries import ALICE, ROOM
from servers.mongo_stores import mongo_stores


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def directory(mongodb_uri: str, clock: Clock) -> AsyncIterator[MongoFileDirectory]:
    async with mongo_stores(mongodb_uri, MIGRATIONS, 1) as (store,):
        yield MongoFileDirectory(store, clock)


def file(letter: str, size: int) -> FileRow:
    return FileRow(id=f"f{letter}", room=ROOM, owner=ALICE, name="a", type="text/plain", size=size, ts=1)


async def add_and_stop(
    directory: MongoFileDirectory, row: FileRow, monkeypatch: pytest.MonkeyPatch, *, stored: bool
) -> None:
    """Add a file with a quota of 35 on a node that stops before or after it stored the file's row."""
    insert = directory._files.insert

    async def stop(document: dict[str, object]) -> bool:
        if stored:
            await insert(document)
        raise unavailable("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(directory._files, "insert", stop)
        with pytest.raises(ChatError):
            await directory.add(row, 35)


async def test_what_a_stopped_node_announced_counts_for_a_while_and_then_no_more(
    directory: MongoFileDirectory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_and_stop(directory, file("a", 30), monkeypatch, stored=False)
    assert await directory.used(ALICE) == 0
    assert not await directory.add(file("b", 30), 35)
    clock.now += ADDING_S + 1
    assert await directory.add(file("b", 30), 35)
    owner = await directory._owners.find_one({"_id": ALICE})
    assert owner is not None
    assert owner["adding"] == []


async def test_a_file_whose_announcement_was_left_behind_counts_once(
    directory: MongoFileDirectory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_and_stop(directory, file("a", 20), monkeypatch, stored=True)
    for _ in range(2):
        assert not await directory.add(file("b", 16), 35)
        clock.now += ADDING_S + 1
    assert await directory.add(file("b", 15), 35)


async def test_a_node_held_up_until_its_room_was_given_away_adds_nothing(
    directory: MongoFileDirectory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = directory._files.insert

    async def held_up(document: dict[str, object]) -> bool:
        monkeypatch.setattr(directory._files, "insert", insert)
        clock.now += ADDING_S + 1
        assert await directory.add(file("b", 30), 35)
        return await insert(document)

    monkeypatch.setattr(directory._files, "insert", held_up)
    assert not await directory.add(file("a", 30), 35)
    assert await directory.used(ALICE) == 30
    assert set(await directory.rows(["fa", "fb"])) == {"fb"}


async def test_a_node_held_up_while_there_is_room_adds_its_file(
    directory: MongoFileDirectory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = directory._files.insert

    async def held_up(document: dict[str, object]) -> bool:
        monkeypatch.setattr(directory._files, "insert", insert)
        clock.now += ADDING_S + 1
        assert await directory.add(file("b", 30), 60)
        return await insert(document)

    monkeypatch.setattr(directory._files, "insert", held_up)
    assert await directory.add(file("a", 30), 60)
    assert await directory.used(ALICE) == 60
