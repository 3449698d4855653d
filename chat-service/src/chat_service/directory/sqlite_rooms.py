"""The room directory in the SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping

from chat_service.directory.rooms import MembershipRow, Preferences, RoomRow
from chat_service.model.entries import Head
from chat_service.model.permissions import Role
from chat_service.model.rooms import HistoryAccess, Member, RoomKind, RoomState, Visibility
from chat_service.storage.migrations import Migration
from chat_service.storage.sqlite import SqliteStore

MIGRATIONS = (
    Migration(
        "rooms-1-projections",
        (
            """CREATE TABLE rooms (
                room TEXT PRIMARY KEY, projected INTEGER NOT NULL, head_id TEXT NOT NULL,
                first_id TEXT NOT NULL, kind TEXT NOT NULL, visibility TEXT NOT NULL, history TEXT NOT NULL,
                guests INTEGER NOT NULL, name TEXT NOT NULL, topic TEXT NOT NULL,
                created_ts INTEGER NOT NULL, retained_upto INTEGER NOT NULL, erased TEXT NOT NULL
            ) STRICT, WITHOUT ROWID""",
            "CREATE INDEX rooms_public ON rooms (room) WHERE visibility = 'public' AND kind = 'channel'",
            """CREATE TABLE members (
                room TEXT NOT NULL, user TEXT NOT NULL, role TEXT, since INTEGER NOT NULL,
                seq INTEGER NOT NULL, PRIMARY KEY (room, user)
            ) STRICT, WITHOUT ROWID""",
            "CREATE INDEX members_user ON members (user, room)",
            """CREATE TABLE read_marks (
                user TEXT NOT NULL, room TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (user, room)
            ) STRICT, WITHOUT ROWID""",
            """CREATE TABLE redaction_cursors (
                room TEXT PRIMARY KEY, seq INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID""",
            """CREATE TABLE mentions (
                user TEXT NOT NULL, room TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (user, room, seq)
            ) STRICT, WITHOUT ROWID""",
        ),
    ),
    Migration(
        "rooms-2-pins-and-preferences",
        (
            "ALTER TABLE rooms ADD COLUMN pins TEXT NOT NULL DEFAULT '[]'",
            "CREATE INDEX read_marks_room ON read_marks (room, seq)",
            """CREATE TABLE preferences (
                user TEXT NOT NULL, room TEXT NOT NULL, muted INTEGER NOT NULL, favourite INTEGER NOT NULL,
                PRIMARY KEY (user, room)
            ) STRICT, WITHOUT ROWID""",
        ),
    ),
    Migration(
        "rooms-3-retention",
        (
            "ALTER TABLE rooms ADD COLUMN retention_days INTEGER NOT NULL DEFAULT 0",
            "CREATE INDEX rooms_retaining ON rooms (room, retention_days) WHERE retention_days > 0",
        ),
    ),
)

_ROOM_COLUMNS = (
    "room, projected, head_id, first_id, kind, visibility, history, guests, name, topic, created_ts,"
    " retained_upto, erased, pins, retention_days"
)
_PROJECT_ROOM = f"""
    INSERT INTO rooms ({_ROOM_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (room) DO UPDATE SET
        projected = excluded.projected, head_id = excluded.head_id, first_id = excluded.first_id,
        kind = excluded.kind, visibility = excluded.visibility, history = excluded.history,
        guests = excluded.guests, name = excluded.name, topic = excluded.topic,
        created_ts = excluded.created_ts, retained_upto = excluded.retained_upto, erased = excluded.erased,
        pins = excluded.pins, retention_days = excluded.retention_days
    WHERE excluded.projected > rooms.projected
"""
_PROJECT_MEMBER = """
    INSERT INTO members VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (room, user) DO UPDATE SET role = excluded.role, since = excluded.since, seq = excluded.seq
    WHERE excluded.seq > members.seq
"""
_ROOMS_OF = """
    SELECT m.room, r.kind, r.visibility, r.name, r.topic, m.role, m.since, coalesce(k.seq, 0),
        (SELECT count(*) FROM mentions n
            WHERE n.user = m.user AND n.room = m.room AND n.seq > coalesce(k.seq, 0)),
        CASE WHEN r.kind = 'direct' THEN
            (SELECT o.user FROM members o WHERE o.room = m.room AND o.user <> m.user) END,
        coalesce(p.muted, 0), coalesce(p.favourite, 0)
    FROM members m JOIN rooms r ON r.room = m.room
        LEFT JOIN read_marks k ON k.user = m.user AND k.room = m.room
        LEFT JOIN preferences p ON p.user = m.user AND p.room = m.room
    WHERE m.user = ? AND m.role IS NOT NULL ORDER BY r.name, m.room
"""
_PUBLIC_ROOMS = """
    SELECT room, kind, visibility, name, topic,
        (SELECT count(*) FROM members m WHERE m.room = rooms.room AND m.role IS NOT NULL)
    FROM rooms WHERE visibility = 'public' AND kind = 'channel' AND room > ?
        AND (instr(lower(name), lower(?)) OR instr(lower(topic), lower(?))) ORDER BY room LIMIT ?
"""


class SqliteRoomDirectory:
    """`RoomDirectory` on a SqliteStore."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def project(self, state: RoomState, changed: Collection[str]) -> None:
        """See RoomDirectory."""
        room_row = _room_row(state)
        member_rows = [_member_row(state, user) for user in changed]

        def run(db: sqlite3.Connection) -> None:
            db.execute(_PROJECT_ROOM, room_row)
            db.executemany(_PROJECT_MEMBER, member_rows)

        await self._store.write(run)

    async def snapshot(self, room: str) -> RoomState | None:
        """See RoomDirectory."""

        def run(db: sqlite3.Connection) -> RoomState | None:
            row = db.execute(f"SELECT {_ROOM_COLUMNS} FROM rooms WHERE room = ?", (room,)).fetchone()
            if row is None:
                return None
            members = db.execute(
                "SELECT user, role, since FROM members WHERE room = ? AND role IS NOT NULL", (room,)
            )
            return _state(row, {user: Member(Role(role), since) for user, role, since in members})

        return await self._store.read(run)

    async def projected(self, rooms: Collection[str]) -> dict[str, int]:
        """See RoomDirectory."""

        return await self._numbers("SELECT room, projected FROM rooms", rooms)

    async def rooms_of(self, user: str) -> list[MembershipRow]:
        """See RoomDirectory."""

        def run(db: sqlite3.Connection) -> list[MembershipRow]:
            return [
                MembershipRow(
                    room=room,
                    kind=RoomKind(kind),
                    visibility=Visibility(visibility),
                    name=name,
                    topic=topic,
                    role=Role(role),
                    since=since,
                    read_seq=read,
                    mentions=mentions,
                    with_user=other,
                    muted=bool(muted),
                    favourite=bool(favourite),
                )
                for room, kind, visibility, name, topic, role, since, read, mentions, other, muted, favourite in (
                    db.execute(_ROOMS_OF, (user,))
                )
            ]

        return await self._store.read(run)

    async def public_rooms(self, query: str, after: str, limit: int) -> list[RoomRow]:
        """See RoomDirectory."""

        def run(db: sqlite3.Connection) -> list[RoomRow]:
            return [
                RoomRow(
                    room=room,
                    kind=RoomKind(kind),
                    visibility=Visibility(visibility),
                    name=name,
                    topic=topic,
                    people=people,
                )
                for room, kind, visibility, name, topic, people in db.execute(
                    _PUBLIC_ROOMS, (after, query, query, limit)
                )
            ]

        return await self._store.read(run)

    async def mark_read(self, user: str, room: str, seq: int) -> int:
        """See RoomDirectory."""

        def run(db: sqlite3.Connection) -> int:
            db.execute(
                "INSERT INTO read_marks VALUES (?, ?, ?) ON CONFLICT (user, room)"
                " DO UPDATE SET seq = excluded.seq WHERE excluded.seq > read_marks.seq",
                (user, room, seq),
            )
            db.execute("DELETE FROM mentions WHERE user = ? AND room = ? AND seq <= ?", (user, room, seq))
            row = db.execute("SELECT seq FROM read_marks WHERE user = ? AND room = ?", (user, room)).fetchone()
            return int(row[0])

        return await self._store.write(run)

    async def read_marks(self, room: str, limit: int) -> dict[str, int]:
        """See RoomDirectory."""

        def run(db: sqlite3.Connection) -> dict[str, int]:
            rows = db.execute(
                "SELECT user, seq FROM read_marks WHERE room = ? AND seq > 0 ORDER BY seq DESC LIMIT ?",
                (room, limit),
            )
            return dict(rows.fetchall())

        return await self._store.read(run)

    async def set_preferences(
        self, user: str, room: str, *, muted: bool | None = None, favourite: bool | None = None
    ) -> Preferences:
        """See RoomDirectory."""

        def run(db: sqlite3.Connection) -> Preferences:
            db.execute("INSERT OR IGNORE INTO preferences VALUES (?, ?, 0, 0)", (user, room))
            row = db.execute(
                "UPDATE preferences SET muted = coalesce(?, muted), favourite = coalesce(?, favourite)"
                " WHERE user = ? AND room = ? RETURNING muted, favourite",
                (muted, favourite, user, room),
            ).fetchone()
            return Preferences(bool(row[0]), bool(row[1]))

        return await self._store.write(run)

    async def add_mentions(self, room: str, mentions: Mapping[int, Collection[str]]) -> None:
        """See RoomDirectory."""
        rows = [(user, room, seq) for seq, users in mentions.items() for user in users]

        def run(db: sqlite3.Connection) -> None:
            db.executemany("INSERT OR IGNORE INTO mentions VALUES (?, ?, ?)", rows)

        await self._store.write(run)

    async def rooms_ever(self, user: str) -> list[str]:
        """See RoomDirectory."""

        def run(db: sqlite3.Connection) -> list[str]:
            return [room for (room,) in db.execute("SELECT room FROM members WHERE user = ?", (user,))]

        return await self._store.read(run)

    async def retaining(self, after: str, limit: int) -> list[tuple[str, int]]:
        """See RoomDirectory."""

        def run(db: sqlite3.Connection) -> list[tuple[str, int]]:
            return db.execute(
                "SELECT room, retention_days FROM rooms WHERE retention_days > 0 AND room > ?"
                " ORDER BY room LIMIT ?",
                (after, limit),
            ).fetchall()

        return await self._store.read(run)

    async def redacted_upto(self, rooms: Collection[str]) -> dict[str, int]:
        """See RoomDirectory."""
        return await self._numbers("SELECT room, seq FROM redaction_cursors", rooms)

    async def set_redacted_upto(self, room: str, seq: int) -> None:
        """See RoomDirectory."""

        def run(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO redaction_cursors VALUES (?, ?) ON CONFLICT (room)"
                " DO UPDATE SET seq = excluded.seq WHERE excluded.seq > redaction_cursors.seq",
                (room, seq),
            )

        await self._store.write(run)

    async def _numbers(self, select: str, rooms: Collection[str]) -> dict[str, int]:
        def run(db: sqlite3.Connection) -> dict[str, int]:
            wanted = json.dumps(list(rooms))
            return dict(
                db.execute(f"{select} WHERE room IN (SELECT value FROM json_each(?))", (wanted,)).fetchall()
            )

        return await self._store.read(run)


def _room_row(state: RoomState) -> tuple[object, ...]:
    return (
        state.room,
        state.head.seq,
        state.head.id,
        state.first_id,
        str(state.kind),
        str(state.visibility),
        str(state.history),
        int(state.guests),
        state.name,
        state.topic,
        state.created_ts,
        state.retained_upto,
        json.dumps(state.erased),
        json.dumps(state.pins),
        state.retention_days,
    )


def _member_row(state: RoomState, user: str) -> tuple[object, ...]:
    member = state.members.get(user)
    if member is None:
        return (state.room, user, None, 0, state.head.seq)
    return (state.room, user, str(member.role), member.since, state.head.seq)


def _state(row: tuple[object, ...], members: dict[str, Member]) -> RoomState:
    room, projected, head_id, first_id, kind, visibility, history, guests, name, topic, *rest = row
    ts, upto, erased, pins, retention_days = rest
    return RoomState(
        room=str(room),
        head=Head(int(str(projected)), str(head_id)),
        first_id=str(first_id),
        kind=RoomKind(str(kind)),
        visibility=Visibility(str(visibility)),
        history=HistoryAccess(str(history)),
        guests=bool(guests),
        name=str(name),
        topic=str(topic),
        created_ts=int(str(ts)),
        members=members,
        retained_upto=int(str(upto)),
        erased=json.loads(str(erased)),
        pins=json.loads(str(pins)),
        retention_days=int(str(retention_days)),
    )
