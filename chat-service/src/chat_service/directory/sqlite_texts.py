"""The index of messages in the SQLite file: FTS5, newest first.

A row's position is its message's time and some bits that tell messages of one millisecond apart. FTS5 finds
rows in the order of their ids, so a page of the newest is read without looking at all that match.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Collection, Sequence

from chat_service.directory.texts import Found, Gone, MessageText, TextQuery
from chat_service.storage.migrations import Migration
from chat_service.storage.sqlite import SqliteStore

MIGRATIONS = (
    Migration(
        "texts-1-index",
        (
            """CREATE TABLE texts (
                position INTEGER PRIMARY KEY, room TEXT NOT NULL, seq INTEGER NOT NULL, sender TEXT NOT NULL,
                has_file INTEGER NOT NULL, text TEXT NOT NULL
            ) STRICT""",
            "CREATE UNIQUE INDEX texts_message ON texts (room, seq)",
            "CREATE INDEX texts_room ON texts (room)",
            "CREATE INDEX texts_sender ON texts (sender)",
            "CREATE INDEX texts_file ON texts (position) WHERE has_file",
            # Ids of room and sender are words of their own, so that both narrow a search for a common word.
            """CREATE VIRTUAL TABLE texts_words USING fts5 (
                room, sender, text, content = 'texts', content_rowid = 'position',
                tokenize = 'unicode61 remove_diacritics 2'
            )""",
            "CREATE TABLE text_cursors (room TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID",
        ),
    ),
)

ROOMS_IN_MATCH = 64
"""So many rooms are looked up as words; among more, what the words find is compared with them."""

_TIE_BITS = 20
_END = 2**63 - 1
_FIND_WORDS = """
    SELECT t.position, t.room, t.seq FROM texts_words w JOIN texts t ON t.position = w.rowid
    WHERE texts_words MATCH ? AND w.rowid < ? AND t.room IN (SELECT value FROM json_each(?)) AND t.has_file >= ?
    ORDER BY w.rowid DESC LIMIT ?
"""
_FIND = """
    SELECT position, room, seq FROM texts
    WHERE position < ? AND room IN (SELECT value FROM json_each(?)) AND has_file >= ?
        AND (? = '[]' OR sender IN (SELECT value FROM json_each(?)))
    ORDER BY position DESC LIMIT ?
"""


class SqliteMessageTexts:
    """`MessageTexts` on a SqliteStore."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def cursors(self, rooms: Collection[str]) -> dict[str, int]:
        """See MessageTexts."""

        def run(db: sqlite3.Connection) -> dict[str, int]:
            wanted = json.dumps(list(rooms))
            rows = db.execute(
                "SELECT room, seq FROM text_cursors WHERE room IN (SELECT value FROM json_each(?))", (wanted,)
            )
            return dict(rows.fetchall())

        return await self._store.read(run)

    async def apply(
        self, room: str, upto: int, texts: Sequence[MessageText], gone: Collection[int], ranges: Sequence[Gone]
    ) -> None:
        """See MessageTexts."""

        def run(db: sqlite3.Connection) -> None:
            for one in ranges:
                _take_out(
                    db, "room = ? AND seq <= ? AND (? = '' OR sender = ?)", room, one.upto, one.sender, one.sender
                )
            for seq in gone:
                _take_out(db, "room = ? AND seq = ?", room, seq)
            for text in texts:
                _take_out(db, "room = ? AND seq = ?", room, text.seq)
                _put(db, room, text)
            db.execute(
                "INSERT INTO text_cursors VALUES (?, ?) ON CONFLICT (room)"
                " DO UPDATE SET seq = excluded.seq WHERE excluded.seq > text_cursors.seq",
                (room, upto),
            )

        await self._store.write(run)

    async def find(self, query: TextQuery, before: int | None, limit: int) -> list[Found]:
        """See MessageTexts."""
        rooms, last = json.dumps(list(query.rooms)), _END if before is None else before
        match = _match(query)

        def run(db: sqlite3.Connection) -> list[Found]:
            if match is None:
                senders = json.dumps(list(query.senders))
                rows = db.execute(_FIND, (last, rooms, query.has_file, senders, senders, limit))
            else:
                rows = db.execute(_FIND_WORDS, (match, last, rooms, query.has_file, limit))
            return [Found(*row) for row in rows]

        return await self._store.read(run) if query.rooms else []

    async def clear(self) -> None:
        """See MessageTexts."""

        def run(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM text_cursors")
            db.execute("INSERT INTO texts_words (texts_words) VALUES ('delete-all')")
            db.execute("DELETE FROM texts")

        await self._store.write(run)


def _take_out(db: sqlite3.Connection, where: str, *values: object) -> None:
    rows = db.execute(f"SELECT position, room, sender, text FROM texts WHERE {where}", values).fetchall()
    # An index without its text has to be told what stood there.
    db.executemany(
        "INSERT INTO texts_words (texts_words, rowid, room, sender, text) VALUES ('delete', ?, ?, ?, ?)", rows
    )
    db.executemany("DELETE FROM texts WHERE position = ?", [(row[0],) for row in rows])


def _put(db: sqlite3.Connection, room: str, text: MessageText) -> None:
    position = _position(room, text)
    while db.execute("SELECT 1 FROM texts WHERE position = ?", (position,)).fetchone():
        position += 1
    db.execute(
        "INSERT INTO texts VALUES (?, ?, ?, ?, ?, ?)",
        (position, room, text.seq, text.sender, int(text.has_file), text.text),
    )
    db.execute(
        "INSERT INTO texts_words (rowid, room, sender, text) VALUES (?, ?, ?, ?)",
        (position, room, text.sender, text.text),
    )


def _position(room: str, text: MessageText) -> int:
    tie = hashlib.blake2b(f"{room}.{text.seq}".encode(), digest_size=4).digest()
    return text.ts << _TIE_BITS | int.from_bytes(tie, "big") >> (32 - _TIE_BITS)


def _match(query: TextQuery) -> str | None:
    """The query in FTS5's language, all that people wrote between quotes; None where no word is asked for."""
    terms = [_quoted(word.text) + ("*" if word.prefix else "") for word in query.words]
    terms.extend(map(_quoted, query.phrases))
    if not terms:
        return None
    parts = [f"text : ({' AND '.join(terms)})"]
    if query.senders:
        parts.append(f"sender : ({' OR '.join(map(_quoted, query.senders))})")
    if len(query.rooms) <= ROOMS_IN_MATCH:
        parts.append(f"room : ({' OR '.join(map(_quoted, query.rooms))})")
    return " AND ".join(parts)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""').replace("\x00", " ") + '"'
