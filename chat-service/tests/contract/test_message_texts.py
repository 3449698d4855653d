"""What every adapter of MessageTexts must do. A new adapter joins by its name in `ADAPTERS`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat_service.directory.mongo_texts import MIGRATIONS as MONGO_MIGRATIONS
from chat_service.directory.mongo_texts import MongoMessageTexts
from chat_service.directory.sqlite_texts import MIGRATIONS, ROOMS_IN_MATCH, SqliteMessageTexts
from chat_service.directory.texts import Gone, MessageText, MessageTexts, TextQuery, Word
from chat_service.storage.migrations import migrate
from chat_service.storage.sqlite import SqliteStore
from rooms.entries import ALICE, BOB, OTHER_ROOM, ROOM
from rooms.memory_texts import MemoryTexts
from servers.mongo_stores import mongo_stores

Indexes = tuple[MessageTexts, MessageTexts]


@asynccontextmanager
async def sqlite(request: pytest.FixtureRequest) -> AsyncIterator[Indexes]:
    folder: Path = request.getfixturevalue("tmp_path")
    stores = [SqliteStore(folder / "chat.db") for _ in range(2)]
    for store in stores:
        await store.open(exclusive=False)
    await migrate(stores[0], MIGRATIONS)
    yield SqliteMessageTexts(stores[0]), SqliteMessageTexts(stores[1])
    for store in stores:
        await store.close()


@asynccontextmanager
async def mongo(request: pytest.FixtureRequest) -> AsyncIterator[Indexes]:
    async with mongo_stores(request.getfixturevalue("mongodb_uri"), MONGO_MIGRATIONS) as (one, other):
        yield MongoMessageTexts(one), MongoMessageTexts(other)


@asynccontextmanager
async def memory(request: pytest.FixtureRequest) -> AsyncIterator[Indexes]:
    del request
    texts = MemoryTexts()
    yield texts, texts


ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Indexes]]] = {
    "sqlite": sqlite,
    "mongo": mongo,
    "memory": memory,
}


@pytest.fixture(params=ADAPTERS)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Indexes]:
    """The index as two nodes hold it."""
    async with ADAPTERS[request.param](request) as indexes:
        yield indexes


@pytest.fixture
def texts(pair: Indexes) -> MessageTexts:
    return pair[0]


def said(seq: int, text: str, sender: str = ALICE, **more: Any) -> MessageText:
    return MessageText(seq=seq, sender=sender, ts=1_800_000_000_000 + seq, text=text, **more)


async def put(texts: MessageTexts, *those: MessageText, room: str = ROOM) -> None:
    await texts.apply(room, max(one.seq for one in those), those, (), ())


async def found(texts: MessageTexts, *words: str, rooms: Sequence[str] = (ROOM,), **more: Any) -> list[int]:
    asked = [Word(word.rstrip("*"), prefix=word.endswith("*")) for word in words]
    return [one.seq for one in await texts.find(TextQuery(rooms=rooms, words=asked, **more), None, 100)]


async def test_words_are_found_whatever_their_case_and_accents(texts: MessageTexts) -> None:
    await put(texts, said(2, "Green Tea, please"), said(3, "Crème brûlée"), said(4, "team of three\nteas"))
    assert await found(texts, "tea") == [2]
    assert await found(texts, "TEA*") == [4, 2]
    assert await found(texts, "creme", "BRULEE") == [3]
    assert await found(texts, "green", "three") == []
    assert await found(texts, "green", "ple*") == [2]


async def test_a_phrase_is_found_in_its_order(texts: MessageTexts) -> None:
    await put(texts, said(2, "black tea and green tea"), said(3, "tea, black"))
    assert await found(texts, phrases=["black tea"]) == [2]
    assert await found(texts, phrases=["tea black"]) == [3]
    assert await found(texts, "green", phrases=["black tea"]) == [2]
    assert await found(texts, phrases=["tea-black!"]) == [3]


async def test_senders_rooms_and_files_narrow_a_search_with_and_without_words(texts: MessageTexts) -> None:
    await put(texts, said(2, "tea"), said(3, "tea", BOB, has_file=True), said(4, "milk", BOB))
    await put(texts, said(2, "tea", BOB), room=OTHER_ROOM)
    both = (ROOM, OTHER_ROOM)
    assert await found(texts, "tea", senders=[BOB]) == [3]
    assert await found(texts, senders=[BOB]) == [4, 3]
    assert await found(texts, senders=[BOB, ALICE]) == [4, 3, 2]
    assert await found(texts, "tea", has_file=True) == [3]
    assert await found(texts, has_file=True) == [3]
    assert sorted(await found(texts, "tea", rooms=both)) == [2, 2, 3]
    assert await found(texts, rooms=[OTHER_ROOM]) == [2]
    assert await found(texts, "tea", rooms=[]) == []
    many = ["c" + f"{number:021d}" for number in range(ROOMS_IN_MATCH)]
    assert await found(texts, "tea", rooms=[*many, OTHER_ROOM]) == [2]


async def test_pages_go_from_the_newest_to_the_oldest(texts: MessageTexts) -> None:
    await put(texts, *[said(seq, "tea") for seq in range(2, 9)])
    query, before, seqs = TextQuery(rooms=[ROOM], words=[Word("tea")]), None, []
    while page := await texts.find(query, before, 3):
        seqs += [one.seq for one in page]
        before = page[-1].position
    assert seqs == [8, 7, 6, 5, 4, 3, 2]


async def test_what_is_put_again_replaces_what_was_said(texts: MessageTexts) -> None:
    await put(texts, said(2, "first"))
    for _ in range(2):
        await texts.apply(ROOM, 3, [said(2, "second")], (), ())
    assert (await found(texts, "first"), await found(texts, "second")) == ([], [2])


async def test_what_is_gone_is_found_no_longer(texts: MessageTexts) -> None:
    await put(texts, *[said(seq, "tea", BOB if seq % 2 else ALICE) for seq in range(2, 9)])
    for _ in range(2):
        await texts.apply(ROOM, 9, (), [2, 99], [Gone(5, BOB)])
    assert await found(texts, "tea") == [8, 7, 6, 4]
    await texts.apply(ROOM, 10, (), (), [Gone(7)])
    assert await found(texts, "tea") == [8]
    assert await found(texts) == [8]


async def test_a_cursor_never_goes_back_and_clearing_forgets_all(texts: MessageTexts) -> None:
    await put(texts, said(5, "tea"))
    await texts.apply(ROOM, 3, (), (), ())
    assert await texts.cursors([ROOM, OTHER_ROOM]) == {ROOM: 5}
    await texts.clear()
    assert await texts.cursors([ROOM]) == {}
    assert await found(texts, "tea") == []
    await put(texts, said(5, "tea"))
    assert await found(texts, "tea") == [5]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(word=st.text(max_size=20), phrase=st.text(max_size=20))
async def test_whatever_is_typed_is_looked_for_and_never_run(texts: MessageTexts, word: str, phrase: str) -> None:
    query = TextQuery(rooms=[ROOM], words=[Word(word), Word(word, prefix=True)], phrases=[phrase], senders=[word])
    assert await texts.find(query, None, 5) == []


async def test_no_row_is_left_of_what_is_gone(request: pytest.FixtureRequest) -> None:
    async with sqlite(request) as (texts, _):
        await put(texts, said(2, "hunter2secret"))
        await texts.apply(ROOM, 3, (), [2], ())
        store: Any = texts
        tables = ("texts", "texts_words")
        count = "SELECT count(*) FROM {}"
        rows = await store._store.read(lambda db: [db.execute(count.format(name)).fetchone() for name in tables])
    assert rows == [(0,), (0,)]
