"""The room log in the SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence

import msgspec

from chat_service.log import Activity, Thread
from chat_service.model.entries import EMPTY, Entry, Head, Kind
from chat_service.storage.migrations import Migration
from chat_service.storage.sqlite import SqliteStore

_MESSAGE_KINDS = "('message', 'edit', 'delete', 'reaction')"
_REDACTING_KINDS = "('delete', 'retain', 'erase')"

MIGRATIONS = (
    Migration(
        "log-1-entries",
        (
            """CREATE TABLE entries (
                room TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,
                sender TEXT NOT NULL, key TEXT NOT NULL, own_key INTEGER NOT NULL, digest TEXT NOT NULL,
                node TEXT NOT NULL, ts INTEGER NOT NULL, target INTEGER, body TEXT NOT NULL,
                redacted INTEGER NOT NULL DEFAULT 0
            ) STRICT""",
            "CREATE UNIQUE INDEX entries_seq ON entries (room, seq)",
            "CREATE UNIQUE INDEX entries_key ON entries (room, sender, key)",
            "CREATE INDEX entries_target ON entries (room, target, seq) WHERE target IS NOT NULL",
            f"CREATE INDEX entries_state ON entries (room, seq) WHERE kind NOT IN {_MESSAGE_KINDS}",
            f"CREATE INDEX entries_redacting ON entries (room, seq) WHERE kind IN {_REDACTING_KINDS}",
            "CREATE INDEX entries_messages ON entries (room, seq) WHERE kind = 'message'",
        ),
    ),
    Migration(
        "log-2-threads",
        (
            "CREATE INDEX entries_main ON entries (room, seq) WHERE kind = 'message' AND target IS NULL",
            # No query needs it any more; the version before falls back on entries_seq.
            "DROP INDEX entries_messages",
        ),
    ),
)

_COLUMNS = "room, seq, id, kind, sender, key, own_key, digest, node, ts, target, body, redacted"
_INSERT = f"INSERT INTO entries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
_SELECT = f"SELECT {_COLUMNS} FROM entries"
_THREADS = """
    SELECT r.target, sum(NOT EXISTS (SELECT 1 FROM entries d
            WHERE d.room = r.room AND d.target = r.seq AND d.kind = 'delete' AND d.seq <= ?)) AS replies, max(r.ts)
    FROM entries r
    WHERE r.room = ? AND r.target IN (SELECT value FROM json_each(?)) AND r.kind = 'message' AND r.seq <= ?
    GROUP BY r.target HAVING replies > 0
"""
_MAIN = "kind = 'message' AND target IS NULL"  # word for word what entries_main is for
_REPLIES = "kind = 'message' AND target = {:d}"
_UNREAD = f"""
    SELECT count(*) FROM (SELECT 1 FROM entries
        WHERE room = ? AND {_MAIN} AND seq > ? AND sender <> ? AND redacted = 0 LIMIT ?)
"""
_LAST_MESSAGE = f"SELECT ts FROM entries WHERE room = ? AND {_MAIN} ORDER BY seq DESC LIMIT 1"
_Row = tuple[str, int, str, str, str, str, int, str, str, int, int | None, str, int]
_body_encoder = msgspec.json.Encoder()


class SqliteRoomLog:
    """`RoomLog` on a SqliteStore: ordered inserts inside the store's group commit."""

    refuses_repeated_keys = True

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def append(self, room: str, first: int, entries: Sequence[Entry]) -> int:
        """See RoomLog. The job stops at the first row that an index refuses; what went before it stays."""
        rows = [_row(entry) for entry in entries]
        if any(row[0] != room or row[1] != first + index for index, row in enumerate(rows)):
            raise ValueError("entries must be of the room and numbered from `first` on")

        def insert(db: sqlite3.Connection) -> int:
            # Only first = last + 1 may be inserted: a seq beyond the end would be free and leave a hole.
            if (
                first > 1
                and not db.execute(
                    "SELECT 1 FROM entries WHERE room = ? AND seq = ?", (room, first - 1)
                ).fetchone()
            ):
                return 0
            for stored, row in enumerate(rows):
                try:
                    db.execute(_INSERT, row)
                except sqlite3.IntegrityError:
                    return stored
            return len(rows)

        return await self._store.write(insert)

    async def head(self, room: str) -> Head:
        """See RoomLog."""
        return (await self.heads([room])).get(room, EMPTY)

    async def heads(self, rooms: Collection[str]) -> dict[str, Head]:
        """See RoomLog."""

        def run(db: sqlite3.Connection) -> dict[str, Head]:
            found = {}
            for room in rooms:
                row = db.execute(
                    "SELECT seq, id FROM entries WHERE room = ? ORDER BY seq DESC LIMIT 1", (room,)
                ).fetchone()
                if row is not None:
                    found[room] = Head(*row)
            return found

        return await self._store.read(run)

    async def read(self, room: str, after: int, limit: int) -> list[Entry]:
        """See RoomLog."""
        return await self._select("WHERE room = ? AND seq > ? ORDER BY seq LIMIT ?", (room, after, limit))

    async def read_kinds(self, room: str, after: int, kinds: Collection[Kind]) -> list[Entry]:
        """See RoomLog. Kinds about messages would scan the room: they are refused."""
        _need_rare(kinds)
        rows = await self._select(
            f"WHERE room = ? AND seq > ? AND kind NOT IN {_MESSAGE_KINDS} ORDER BY seq", (room, after)
        )
        return [entry for entry in rows if entry.kind in kinds]

    async def changes(self, room: str, after: int, upto: int, kinds: Collection[Kind], limit: int) -> list[Entry]:
        """See RoomLog."""
        _need_rare(kinds)
        newest = await self._select(
            f"WHERE room = ? AND seq > ? AND seq <= ? AND kind NOT IN {_MESSAGE_KINDS}"
            " AND kind IN (SELECT value FROM json_each(?)) ORDER BY seq DESC LIMIT ?",
            (room, after, upto, json.dumps([str(kind) for kind in kinds]), limit),
        )
        return newest[::-1]

    async def messages_before(
        self, room: str, before: int, after: int, limit: int, thread: int | None = None
    ) -> list[Entry]:
        """See RoomLog."""
        newest = await self._select(
            f"WHERE room = ? AND seq < ? AND seq > ? AND {_MAIN if thread is None else _REPLIES.format(thread)}"
            " ORDER BY seq DESC LIMIT ?",
            (room, before, after, limit),
        )
        return newest[::-1]

    async def messages_after(self, room: str, after: int, limit: int) -> list[Entry]:
        """See RoomLog."""
        return await self._select(
            f"WHERE room = ? AND seq > ? AND {_MAIN} ORDER BY seq LIMIT ?",
            (room, after, limit),
        )

    async def threads(self, room: str, messages: Collection[int], upto: int) -> dict[int, Thread]:
        """See RoomLog."""

        def run(db: sqlite3.Connection) -> dict[int, Thread]:
            rows = db.execute(_THREADS, (upto, room, _json(messages), upto))
            return {target: Thread(replies, last_ts) for target, replies, last_ts in rows}

        return await self._store.read(run) if messages else {}

    async def activity(self, user: str, rooms: Mapping[str, int], most: int) -> dict[str, Activity]:
        """See RoomLog."""

        def run(db: sqlite3.Connection) -> dict[str, Activity]:
            found = {}
            for room, after in rooms.items():
                ((unread,),) = db.execute(_UNREAD, (room, after, user, most))
                last = db.execute(_LAST_MESSAGE, (room,)).fetchone()
                found[room] = Activity(unread, None if last is None else last[0])
            return found

        return await self._store.read(run)

    async def at(self, room: str, seqs: Collection[int]) -> dict[int, Entry]:
        """See RoomLog."""
        rows = await self._select(
            "WHERE room = ? AND seq IN (SELECT value FROM json_each(?))", (room, _json(seqs))
        )
        return {entry.seq: entry for entry in rows}

    async def targeting(self, room: str, targets: Collection[int], upto: int | None = None) -> list[Entry]:
        """See RoomLog."""
        if not targets:
            return []
        found = await self._select(
            "WHERE room = ? AND target IN (SELECT value FROM json_each(?)) AND seq <= ? AND kind <> 'message'",
            (room, _json(targets), _LAST if upto is None else upto),
        )
        return sorted(found, key=lambda entry: entry.seq)

    async def by_keys(self, room: str, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], Entry]:
        """See RoomLog."""

        def run(db: sqlite3.Connection) -> dict[tuple[str, str], Entry]:
            found = {}
            for sender, key in keys:
                row = db.execute(
                    f"{_SELECT} WHERE room = ? AND sender = ? AND key = ?", (room, sender, key)
                ).fetchone()
                if row is not None:
                    found[sender, key] = _entry(row)
            return found

        return await self._store.read(run)

    async def overwrite(self, room: str, seqs: Collection[int]) -> None:
        """See RoomLog."""

        def run(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE entries SET body = '{}', redacted = 1"
                " WHERE room = ? AND seq IN (SELECT value FROM json_each(?))",
                (room, _json(seqs)),
            )

        await self._store.write(run)

    async def written_by(self, room: str, sender: str, after: int, upto: int, limit: int) -> list[int]:
        """See RoomLog."""

        def run(db: sqlite3.Connection) -> list[int]:
            rows = db.execute(
                "SELECT seq FROM entries WHERE room = ? AND seq > ? AND seq <= ? AND redacted = 0"
                " AND kind IN ('message', 'edit') AND (? = '' OR sender = ?) ORDER BY seq LIMIT ?",
                (room, after, upto, sender, sender, limit),
            )
            return [seq for (seq,) in rows]

        return await self._store.read(run)

    async def changed_rooms(self, after: str, limit: int) -> list[tuple[str, int]]:
        """See RoomLog."""
        return await self._last_of(f"kind NOT IN {_MESSAGE_KINDS}", after, limit)

    async def redactions(self, room: str, after: int, limit: int) -> list[Entry]:
        """See RoomLog."""
        return await self._select(
            f"WHERE room = ? AND seq > ? AND kind IN {_REDACTING_KINDS} ORDER BY seq LIMIT ?",
            (room, after, limit),
        )

    async def redacted_rooms(self, after: str, limit: int) -> list[tuple[str, int]]:
        """See RoomLog."""
        return await self._last_of(f"kind IN {_REDACTING_KINDS}", after, limit)

    async def _last_of(self, kinds: str, after: str, limit: int) -> list[tuple[str, int]]:
        def run(db: sqlite3.Connection) -> list[tuple[str, int]]:
            return db.execute(
                f"SELECT room, max(seq) FROM entries WHERE {kinds} AND room > ?"
                " GROUP BY room ORDER BY room LIMIT ?",
                (after, limit),
            ).fetchall()

        return await self._store.read(run)

    async def _select(self, where: str, values: Sequence[object]) -> list[Entry]:
        def run(db: sqlite3.Connection) -> list[Entry]:
            return [_entry(row) for row in db.execute(f"{_SELECT} {where}", values)]

        return await self._store.read(run)


_LAST = 2**63 - 1


def _need_rare(kinds: Collection[Kind]) -> None:
    if any(f"'{kind}'" in _MESSAGE_KINDS for kind in kinds):
        raise ValueError("only the kinds that change a room are rare enough to be read by kind")


def _json(numbers: Collection[int]) -> str:
    return json.dumps(list(numbers))


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        entry.room,
        entry.seq,
        entry.id,
        str(entry.kind),
        entry.sender,
        entry.key,
        int(entry.own_key),
        entry.digest,
        entry.node,
        entry.ts,
        entry.target,
        _body_encoder.encode(entry.body).decode(),
    )


def _entry(row: _Row) -> Entry:
    room, seq, id_, kind, sender, key, own_key, digest, node, ts, target, body, redacted = row
    return Entry(
        room=room,
        seq=seq,
        id=id_,
        kind=Kind(kind),
        sender=sender,
        key=key,
        own_key=bool(own_key),
        digest=digest,
        node=node,
        ts=ts,
        target=target,
        body=msgspec.json.decode(body),
        redacted=bool(redacted),
    )
