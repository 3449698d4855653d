"""The index of messages in MongoDB: each with its words in an indexed array, found newest first.

The server looks up single words and beginnings of words; whether words stand next to each other is compared
here, with the text of what has them all. Who wrote a message, and whether it brings a file, are words too.

Nodes index the same room at the same time, and one that was held up may come with what a message said
before. So a row is written only over one that was indexed up to the same seq or a lower one; what is gone
stays as a row without words; and what is gone by ranges is kept as ranges, which are looked at once more
after rows were put: either the range removes such a row, or whoever puts it sees the range.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from chat_service.directory.mongo_rows import BY_ID, batches, numbers_of, put_over_lower, remove_all, remove_range
from chat_service.directory.texts import Found, Gone, MessageText, TextQuery
from chat_service.directory.words import words_of
from chat_service.storage.mongo import BATCH_LIMIT, Document, MongoStore, Where
from chat_service.storage.mongo_migrations import Index, MongoMigration

MIGRATIONS = (
    MongoMigration(
        "texts-1-index",
        (
            Index("message_texts", "texts_words", (("room", 1), ("words", 1), ("position", -1))),
            Index("message_texts", "texts_room", (("room", 1), ("position", -1))),
            Index("text_ranges", "text_ranges_room", (("room", 1),)),
            Index("text_cursors", *BY_ID),
        ),
    ),
)

WORDS_MOST = 400
"""Different words of one message that are indexed, the first ones: each is an entry of an index."""

WORD_MOST_CHARS = 64
"""So much of a word is indexed and compared."""

SCAN_PAGE = 200
SCAN_MOST = 5_000
"""Messages that one search compares with its phrases, the newest that have all its words, per 100 rooms."""

WINDOWS_DAYS = (1, 9, 73, 585)
"""A search looks at what was written in the last day first, then further back in larger and larger steps.

Not every server reads several rooms in the order of time; those that sort what matches have little to sort.
"""

_DAY_MS = 86_400_000
_EVERYBODY = "everybody"
_FILE = "/file"  # as the senders' marks, nothing that could be a word
_TIE_BITS = 20
_END = 2**63 - 1


class _Term(NamedTuple):
    """Words that stand next to each other, the last of them whole or as a beginning."""

    words: list[str]
    prefix: bool


class MongoMessageTexts:
    """`MessageTexts` on a MongoStore. `clock` gives Unix seconds."""

    def __init__(self, store: MongoStore, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._texts = store.collection("message_texts")
        self._ranges = store.collection("text_ranges")
        self._cursors = store.collection("text_cursors")

    async def cursors(self, rooms: Collection[str]) -> dict[str, int]:
        """See MessageTexts."""
        return await numbers_of(self._cursors, "seq", rooms)

    async def apply(
        self, room: str, upto: int, texts: Sequence[MessageText], gone: Collection[int], ranges: Sequence[Gone]
    ) -> None:
        """See MessageTexts. The cursor goes last: what is interrupted is done again."""
        await put_over_lower(self._ranges, [_range_row(room, one) for one in ranges], "upto")
        for one in ranges:
            await self._take_out(room, one)
        rows = {text.seq: _row(room, upto, text) for text in texts}
        rows = {seq: _empty_row(room, upto, seq) for seq in gone} | rows
        await put_over_lower(self._texts, list(rows.values()), "at", or_equal=True)
        await self._take_out_again(room, list(rows.values()))
        await put_over_lower(self._cursors, [{"_id": room, "seq": upto}], "seq")

    async def find(self, query: TextQuery, before: int | None, limit: int) -> list[Found]:
        """See MessageTexts. Rooms are searched in parts, at the same time."""
        terms = [_Term(words_of(word.text), word.prefix) for word in query.words]
        terms += [_Term(words_of(phrase), False) for phrase in query.phrases]
        if not all(term.words for term in terms):
            return []
        wanted = _all_of(list(_wanted(query, terms)))
        compared = [term for term in terms if len(term.words) > 1]
        windows = list(_windows(before, int(self._clock() * 1000)))
        parts = await asyncio.gather(
            *(
                self._find({"room": {"$in": rooms}, **wanted}, windows, compared, limit)
                for rooms in batches(dict.fromkeys(query.rooms))
            )
        )
        found = [one for part in parts for one in part]
        return sorted(found, key=lambda one: -one.position)[:limit]

    async def clear(self) -> None:
        """See MessageTexts. The cursors go last: a room that has none is indexed from its beginning."""
        for collection in (self._texts, self._ranges, self._cursors):
            await remove_all(collection)

    async def _find(
        self, where: Where, windows: Sequence[tuple[int, int]], compared: Sequence[_Term], limit: int
    ) -> list[Found]:
        page, fields = limit, ["room", "seq", "position"]
        if compared:
            page, fields = SCAN_PAGE, [*fields, "text"]
        found: list[Found] = []
        scanned = 0
        for low, high in windows:
            rows: list[Document] | None = None
            while rows is None or len(rows) == page:
                until = rows[-1]["position"] if rows else high
                within = {**where, "position": {"$gt": low, "$lt": until}}
                rows = await self._texts.find(within, sort=(("position", -1),), limit=page, fields=fields)
                found += [_found(row) for row in rows if not compared or _has_all(row["text"], compared)]
                scanned += len(rows)
                if len(found) >= limit or (compared and scanned >= SCAN_MOST):
                    return found[:limit]
        return found

    async def _take_out(self, room: str, gone: Gone) -> None:
        if not gone.sender:
            await remove_range(self._texts, _id(room, 0), _id(room, gone.upto))
            return
        theirs = {"room": room, "words": _by(gone.sender), "seq": {"$lte": gone.upto}}
        oldest = (("position", 1),)
        while page := await self._texts.find(theirs, sort=oldest, limit=BATCH_LIMIT, fields=["_id"]):
            await self._texts.delete_many({"_id": {"$in": [row["_id"] for row in page]}})

    async def _take_out_again(self, room: str, rows: Sequence[Document]) -> None:
        """Remove those of `rows` that a range covers which another node put while they were on their way."""
        if not rows:
            return
        ranges = await self._ranges.find({"room": room}, sort=None, limit=None)
        covered = [
            row["_id"]
            for row in rows
            if any(row["seq"] <= one["upto"] and one["sender"] in {"", row["sender"]} for one in ranges)
        ]
        for batch in batches(covered):
            await self._texts.delete_many({"_id": {"$in": batch}})


def _id(room: str, seq: int) -> str:
    return f"{room}.{seq:016d}"


def _row(room: str, upto: int, text: MessageText) -> Document:
    words = list(dict.fromkeys(word[:WORD_MOST_CHARS] for word in words_of(text.text)))[:WORDS_MOST]
    return {
        "_id": _id(room, text.seq),
        "room": room,
        "seq": text.seq,
        "at": upto,
        "sender": text.sender,
        "position": _position(room, text),
        "text": text.text,
        "words": [*words, _by(text.sender), *([_FILE] if text.has_file else ())],
    }


def _empty_row(room: str, upto: int, seq: int) -> Document:
    """What is left of a message that is gone: it keeps an older one from being put there."""
    row = {"_id": _id(room, seq), "room": room, "seq": seq, "at": upto}
    return {**row, "sender": "", "position": 0, "text": "", "words": []}


def _range_row(room: str, gone: Gone) -> Document:
    who = gone.sender or _EVERYBODY
    return {"_id": f"{room}.{who}", "room": room, "sender": gone.sender, "upto": gone.upto}


def _by(sender: str) -> str:
    return f"@{sender}"


def _position(room: str, text: MessageText) -> int:
    """The message's time, and some bits that tell messages of one millisecond apart."""
    tie = hashlib.blake2b(f"{room}.{text.seq}".encode(), digest_size=4).digest()
    return text.ts << _TIE_BITS | int.from_bytes(tie, "big") >> (32 - _TIE_BITS)


def _windows(before: int | None, now_ms: int) -> Iterator[tuple[int, int]]:
    """Where positions lie in one step of a search, between two that do not belong to it; the newest first."""
    high = _END if before is None else before
    newest = min(high, now_ms << _TIE_BITS)
    for days in WINDOWS_DAYS:
        low = newest - (days * _DAY_MS << _TIE_BITS)
        if low <= 0:
            break
        yield low, high
        high = low + 1
    yield 0, high


def _found(row: Document) -> Found:
    return Found(int(row["position"]), row["room"], int(row["seq"]))


def _wanted(query: TextQuery, terms: Sequence[_Term]) -> Iterator[Where]:
    """What the words of a message have to fulfil, each condition once."""
    whole = {word for term in terms for word in (term.words[:-1] if term.prefix else term.words)}
    yield from ({"words": word[:WORD_MOST_CHARS]} for word in sorted(whole, key=len, reverse=True))
    for beginning in sorted({term.words[-1] for term in terms if term.prefix}):
        yield {"words": {"$regex": f"^{re.escape(beginning[:WORD_MOST_CHARS])}"}}
    if query.senders:
        yield {"words": {"$in": [_by(sender) for sender in query.senders]}}
    if query.has_file:
        yield {"words": _FILE}


def _all_of(conditions: Sequence[Where]) -> Where:
    """All of them, the first where an index serves it."""
    first: Where = conditions[0] if conditions else {}
    rest = list(conditions[1:])
    return {**first, "$and": rest} if rest else first


def _has_all(text: str, terms: Sequence[_Term]) -> bool:
    words = words_of(text)
    return all(_has(words, term) for term in terms)


def _has(words: Sequence[str], term: _Term) -> bool:
    size = len(term.words)
    for start in range(len(words) - size + 1):
        *here, last = words[start : start + size]
        if here == term.words[:-1]:
            wanted = term.words[-1]
            if last.startswith(wanted) if term.prefix else last == wanted:
                return True
    return False
