"""The index of messages in MongoDB where nodes index one room at once and some of them are late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.directory import mongo_rows, mongo_texts
from chat_service.directory.mongo_texts import MIGRATIONS, WORD_MOST_CHARS, WORDS_MOST, MongoMessageTexts
from chat_service.directory.texts import Found, Gone, MessageText, TextQuery, Word
from rooms.entries import ALICE, BOB, OTHER_ROOM, ROOM
from servers.mongo_stores import mongo_stores

Indexes = tuple[MongoMessageTexts, MongoMessageTexts]


@pytest.fixture
async def pair(mongodb_uri: str) -> AsyncIterator[Indexes]:
    """The index as two nodes hold it."""
    async with mongo_stores(mongodb_uri, MIGRATIONS) as (one, other):
        yield MongoMessageTexts(one), MongoMessageTexts(other)


def said(seq: int, text: str, sender: str = ALICE) -> MessageText:
    return MessageText(seq=seq, sender=sender, ts=1_800_000_000_000 + seq, text=text)


async def found(
    texts: MongoMessageTexts, *words: str, phrase: str | None = None, before: int | None = None, limit: int = 100
) -> list[int]:
    asked = [Word(word.rstrip("*"), prefix=word.endswith("*")) for word in words]
    query = TextQuery(rooms=[ROOM], words=asked, phrases=[] if phrase is None else [phrase])
    return [one.seq for one in await texts.find(query, before, limit)]


async def test_a_node_that_is_late_puts_nothing_over_what_was_indexed_after_it_looked(pair: Indexes) -> None:
    one, late = pair
    await one.apply(ROOM, 9, [said(2, "edited at nine")], (), ())
    await late.apply(ROOM, 4, [said(2, "first words"), said(3, "other words")], (), ())
    assert await found(one, "words") == [3]
    assert await found(one, "edited") == [2]
    assert await one.cursors([ROOM]) == {ROOM: 9}


async def test_a_node_that_is_late_does_not_bring_back_what_is_gone(pair: Indexes) -> None:
    one, late = pair
    await one.apply(ROOM, 9, (), [2, 3], ())
    await one.apply(ROOM, 10, (), (), [Gone(8, BOB)])
    await late.apply(ROOM, 4, [said(2, "deleted"), said(4, "erased", BOB), said(5, "kept")], (), ())
    assert await found(one) == [5]
    rows = await late._texts.find({"room": ROOM}, sort=(("position", -1),), limit=None)
    left = sorted((row["seq"], row["text"], len(row["words"])) for row in rows)
    assert left == [(2, "", 0), (3, "", 0), (5, "kept", 2)]


async def test_nodes_that_index_one_room_at_once_end_as_the_one_that_saw_most(pair: Indexes) -> None:
    pages = [(upto, [said(seq, f"seen at {upto}") for seq in range(2, 8)]) for upto in (10, 20, 30, 40)]
    await asyncio.gather(*(pair[n % 2].apply(ROOM, upto, texts, (), ()) for n, (upto, texts) in enumerate(pages)))
    await asyncio.gather(
        pair[0].apply(ROOM, 50, (), [2], [Gone(4, ALICE)]),
        *(pair[n % 2].apply(ROOM, upto, texts, (), ()) for n, (upto, texts) in enumerate(pages)),
    )
    assert await found(pair[0], "40") == [7, 6, 5]
    assert await found(pair[1], "seen") == [7, 6, 5]
    assert await pair[1].cursors([ROOM]) == {ROOM: 50}


async def test_what_is_gone_goes_however_much_it_is(pair: Indexes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongo_rows, "REMOVE_PAGE", 40)
    texts = pair[0]
    messages = [said(seq, "tea", BOB if seq % 2 else ALICE) for seq in range(1, 301)]
    await texts.apply(ROOM, 300, messages, (), ())
    await texts.apply(OTHER_ROOM, 300, messages[:50], (), ())
    await texts.apply(ROOM, 301, (), (), [Gone(280, BOB)])
    assert await found(texts, "tea", limit=300) == [*range(300, 279, -1), *range(278, 0, -2)]
    await texts.apply(ROOM, 302, (), (), [Gone(250)])
    assert await found(texts, "tea", limit=300) == [*range(300, 279, -1), *range(278, 250, -2)]
    elsewhere = TextQuery(rooms=[OTHER_ROOM], words=[Word("tea")])
    assert len(await texts.find(elsewhere, None, 100)) == 50
    await texts.clear()
    assert await texts.find(elsewhere, None, 100) == await found(texts) == []


async def test_phrases_are_compared_page_by_page_up_to_a_limit(
    pair: Indexes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_texts, "SCAN_PAGE", 5)
    monkeypatch.setattr(mongo_texts, "SCAN_MOST", 30)
    texts = pair[0]
    messages = [said(seq, "green tea" if seq in {3, 20, 38} else "tea, green") for seq in range(1, 41)]
    await texts.apply(ROOM, 40, messages, (), ())
    assert await found(texts, phrase="green tea", limit=1) == [38]
    assert await found(texts, phrase="green tea") == [38, 20]  # the third is not among the newest 30
    page = await texts.find(TextQuery(rooms=[ROOM], phrases=["green tea"]), None, 2)
    assert await found(texts, phrase="green tea", before=page[-1].position) == [3]


async def test_what_was_said_years_ago_is_found_step_by_step_and_each_message_once(pair: Indexes) -> None:
    texts, day = pair[0], 86_400_000
    now_ms = int(time.time() * 1000)
    ages = [0, 0.5, 1, 1.5, 8, 9, 10, 72, 73, 74, 584, 585, 586, 5000, -3]
    messages = [
        MessageText(seq=seq, sender=ALICE, ts=now_ms - int(age * day), text="green tea")
        for seq, age in enumerate(ages, 1)
    ]
    await texts.apply(ROOM, 20, messages, (), ())
    newest_first = [one.seq for one in sorted(messages, key=lambda one: -one.ts)]
    for asked in ({"words": [Word("tea")]}, {"phrases": ["green tea"]}, {}):
        query = TextQuery(rooms=[ROOM], **asked)
        assert [one.seq for one in await texts.find(query, None, 100)] == newest_first
        for size in (1, 2, 4):
            before, seqs = None, []
            while page := await texts.find(query, before, size):
                seqs += [one.seq for one in page]
                before = page[-1].position
            assert seqs == newest_first


async def test_rooms_beyond_one_part_are_searched_and_merged_by_time(pair: Indexes) -> None:
    texts = pair[0]
    await texts.apply(ROOM, 5, [said(3, "tea"), said(5, "tea")], (), ())
    await texts.apply(OTHER_ROOM, 4, [said(4, "tea")], (), ())
    rooms = [ROOM, *(f"c{number:021d}" for number in range(150)), OTHER_ROOM]
    query = TextQuery(rooms=rooms, words=[Word("tea")])
    assert [(one.room, one.seq) for one in await texts.find(query, None, 2)] == [(ROOM, 5), (OTHER_ROOM, 4)]
    first = await texts.find(query, None, 1)
    assert first == [Found(first[0].position, ROOM, 5)]
    assert [one.seq for one in await texts.find(query, first[0].position, 9)] == [4, 3]


async def test_of_a_very_long_message_the_first_words_are_found_and_of_a_long_word_its_beginning(
    pair: Indexes,
) -> None:
    texts, long = pair[0], "x" * (WORD_MOST_CHARS + 20)
    words = [f"w{number}" for number in range(WORDS_MOST)]
    await texts.apply(ROOM, 3, [said(2, " ".join([*words, "toomany"])), said(3, long)], (), ())
    assert await found(texts, words[-1]) == [2]
    assert await found(texts, "toomany") == []
    assert await found(texts, long) == await found(texts, long[:WORD_MOST_CHARS] + "*") == [3]


@given(
    before=st.none() | st.integers(1, 2**62),
    now_ms=st.integers(0, 2**42),
    position=st.integers(1, 2**62),
)
def test_every_position_lies_in_one_step_of_a_search(before: int | None, now_ms: int, position: int) -> None:
    steps = list(mongo_texts._windows(before, now_ms))
    assert sum(low < position < high for low, high in steps) == (before is None or position < before)
    assert [high for _, high in steps] == sorted((high for _, high in steps), reverse=True)


@given(text=st.text(max_size=40), word=st.text(max_size=10))
def test_what_is_looked_for_is_nothing_but_words(text: str, word: str) -> None:
    """No word holds a sign that a pattern, or one of the marks beside words, is made of."""
    row = mongo_texts._row(ROOM, 1, MessageText(seq=1, sender=ALICE, ts=1, text=text))
    assert all(each[0] not in "/@" for each in row["words"][:-1])
    query = TextQuery(rooms=[ROOM], words=[Word(word, prefix=True)])
    for condition in mongo_texts._wanted(query, [mongo_texts._Term(["a", *mongo_texts.words_of(word)], True)]):
        pattern = condition["words"]
        assert isinstance(pattern, str) or not set(pattern["$regex"][1:]) & set("\x00.*[](){}?+|^$")
