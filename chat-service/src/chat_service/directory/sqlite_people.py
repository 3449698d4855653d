"""The people directory in the SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import Any

import msgspec

from chat_service.directory.people import (
    Credential,
    Invite,
    Revocation,
    RevocationKind,
    Rotation,
    Session,
    User,
)
from chat_service.storage.migrations import Migration
from chat_service.storage.sqlite import SqliteStore

MIGRATIONS = (
    Migration(
        "people-1-users",
        (
            """CREATE TABLE users (
                id TEXT PRIMARY KEY, handle TEXT NOT NULL UNIQUE, name TEXT NOT NULL, folded TEXT NOT NULL,
                guest INTEGER NOT NULL, admin INTEGER NOT NULL, active INTEGER NOT NULL,
                created INTEGER NOT NULL, password_hash TEXT NOT NULL
            ) STRICT, WITHOUT ROWID""",
            "CREATE INDEX users_folded ON users (folded) WHERE guest = 0 AND active = 1",
        ),
    ),
    Migration(
        "people-2-sessions",
        (
            """CREATE TABLE sessions (
                id TEXT PRIMARY KEY, user TEXT NOT NULL, created INTEGER NOT NULL, last_used INTEGER NOT NULL,
                expires INTEGER NOT NULL, address TEXT NOT NULL, agent TEXT NOT NULL, family BLOB NOT NULL,
                current BLOB NOT NULL, previous BLOB NOT NULL, sealed BLOB NOT NULL,
                rotated INTEGER NOT NULL, ended INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID""",
            "CREATE INDEX sessions_user ON sessions (user, last_used) WHERE ended = 0",
            "CREATE INDEX sessions_expires ON sessions (expires)",
            # SQLite numbers from the newest row on, which no sweep takes: no number is given twice.
            """CREATE TABLE revocations (
                n INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL,
                at INTEGER NOT NULL
            ) STRICT""",
        ),
    ),
    Migration(
        "people-3-invites",
        (
            """CREATE TABLE invites (
                id TEXT PRIMARY KEY, token_digest BLOB NOT NULL UNIQUE, room TEXT NOT NULL,
                role TEXT NOT NULL, registers INTEGER NOT NULL, creator TEXT NOT NULL,
                created INTEGER NOT NULL, expires INTEGER NOT NULL, max_uses INTEGER NOT NULL,
                uses INTEGER NOT NULL, revoked INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID""",
            "CREATE INDEX invites_room ON invites (room, created)",
            """CREATE TABLE invite_uses (
                invite TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (invite, user)
            ) STRICT, WITHOUT ROWID""",
        ),
    ),
    Migration(
        "people-4-attempts",
        (
            """CREATE TABLE attempts (
                key TEXT NOT NULL, until INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (key, until)
            ) STRICT, WITHOUT ROWID""",
            "CREATE INDEX attempts_until ON attempts (until)",
        ),
    ),
)

_USER = "id, handle, name, guest, admin, active, created"
_SEARCH = f"""
    SELECT * FROM (
        SELECT {_USER} FROM users WHERE {{who}} AND handle > :after
            AND handle >= :first AND handle < :beyond ORDER BY handle LIMIT :limit)
    UNION SELECT * FROM (
        SELECT {_USER} FROM users WHERE {{who}} AND handle > :after
            AND folded >= :first AND folded < :beyond ORDER BY handle LIMIT :limit)
    ORDER BY handle LIMIT :limit
"""
_SEARCH_ACTIVE = _SEARCH.format(who="guest = 0 AND active = 1")  # word for word what users_folded is for
_SEARCH_ALL = _SEARCH.format(who="guest = 0")
_LAST_CHARACTER = "\U0010ffff"
_FROM_USERS = f"SELECT {_USER} FROM users"
_FROM_CREDENTIALS = f"SELECT {_USER}, password_hash FROM users"

_SESSION = (
    "id, user, created, last_used, expires, address, agent, family, current, previous, sealed, rotated, ended"
)
_FROM_SESSIONS = f"SELECT {_SESSION} FROM sessions"
_ADD_SESSION = f"INSERT INTO sessions ({_SESSION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ROTATE = """
    UPDATE sessions SET previous = current, current = ?, sealed = ?, rotated = ?, last_used = ?, expires = ?,
        address = ?, agent = ?
    WHERE id = ? AND current = ? AND ended = 0
"""
_REVOKE = "INSERT INTO revocations (kind, id, at) VALUES (?, ?, ?)"

_INVITE = "id, token_digest, room, role, registers, creator, created, expires, max_uses, uses, revoked"
_FROM_INVITES = f"SELECT {_INVITE} FROM invites"
_ADD_INVITE = f"INSERT INTO invites ({_INVITE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

_TAKE_ATTEMPT = """
    INSERT INTO attempts VALUES (?, ?, 1)
    ON CONFLICT (key, until) DO UPDATE SET count = count + 1 WHERE count < ?
"""

_MONTH_S = 30 * 86_400


class SqlitePeopleDirectory:
    """`PeopleDirectory` on a SqliteStore."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def add_user(self, user: User, password_hash: str) -> bool:
        """See PeopleDirectory."""
        return await self._changes(
            "INSERT INTO users VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            user.id,
            user.handle,
            user.name,
            user.name.casefold(),
            int(user.guest),
            int(user.admin),
            int(user.active),
            user.created,
            password_hash,
        )

    async def users(self, ids: Collection[str]) -> dict[str, User]:
        """See PeopleDirectory."""
        rows = await self._rows(f"{_FROM_USERS} WHERE id IN (SELECT value FROM json_each(?))", _json(ids))
        return {row[0]: _user(*row) for row in rows}

    async def ids_by_handles(self, handles: Collection[str]) -> dict[str, str]:
        """See PeopleDirectory."""
        rows = await self._rows(
            "SELECT handle, id FROM users WHERE handle IN (SELECT value FROM json_each(?))", _json(handles)
        )
        return dict(rows)

    async def search_users(self, prefix: str, after: str, limit: int, *, inactive: bool = False) -> list[User]:
        """See PeopleDirectory."""
        bounds = {"first": prefix, "beyond": prefix + _LAST_CHARACTER, "after": after, "limit": limit}
        search = _SEARCH_ALL if inactive else _SEARCH_ACTIVE

        def run(db: sqlite3.Connection) -> list[User]:
            return [_user(*row) for row in db.execute(search, bounds)]

        return await self._store.read(run)

    async def credential(self, handle: str) -> Credential | None:
        """See PeopleDirectory."""
        for *user, password_hash in await self._rows(f"{_FROM_CREDENTIALS} WHERE handle = ?", handle):
            return Credential(_user(*user), password_hash)
        return None

    async def set_password(self, user: str, old_hash: str | None, new_hash: str) -> bool:
        """See PeopleDirectory."""
        return await self._changes(
            "UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = coalesce(?, password_hash)",
            new_hash,
            user,
            old_hash,
        )

    async def set_name(self, user: str, name: str) -> bool:
        """See PeopleDirectory."""
        return await self._changes(
            "UPDATE users SET name = ?, folded = ? WHERE id = ?", name, name.casefold(), user
        )

    async def set_admin(self, user: str, admin: bool) -> bool:
        """See PeopleDirectory."""
        return await self._changes("UPDATE users SET admin = ? WHERE id = ?", int(admin), user)

    async def set_active(self, user: str, active: bool) -> bool:
        """See PeopleDirectory."""
        return await self._changes("UPDATE users SET active = ? WHERE id = ?", int(active), user)

    async def add_session(self, session: Session) -> None:
        """See PeopleDirectory."""
        await self._changes(_ADD_SESSION, *(getattr(session, column) for column in _SESSION.split(", ")))

    async def session(self, id: str) -> Session | None:  # noqa: A002
        """See PeopleDirectory."""
        for row in await self._rows(f"{_FROM_SESSIONS} WHERE id = ?", id):
            return _session(*row)
        return None

    async def sessions_of(self, user: str, now: int) -> list[Session]:
        """See PeopleDirectory."""
        rows = await self._rows(
            f"{_FROM_SESSIONS} WHERE user = ? AND ended = 0 AND expires > ?"
            " ORDER BY last_used DESC, created DESC, id",
            user,
            now,
        )
        return [_session(*row) for row in rows]

    async def rotate_session(self, id: str, expected: bytes, rotation: Rotation) -> bool:  # noqa: A002
        """See PeopleDirectory."""
        return await self._changes(
            _ROTATE,
            rotation.current,
            rotation.sealed,
            rotation.at,
            rotation.at,
            rotation.expires,
            rotation.address,
            rotation.agent,
            id,
            expected,
        )

    async def end_session(self, id: str, at: int) -> bool:  # noqa: A002
        """See PeopleDirectory. One job: the row and the log entry are committed together."""

        def run(db: sqlite3.Connection) -> bool:
            ended = db.execute("UPDATE sessions SET ended = ? WHERE id = ? AND ended = 0", (at, id)).rowcount
            if ended:
                db.execute(_REVOKE, (str(RevocationKind.SESSION), id, at))
            return bool(ended)

        return await self._store.write(run)

    async def revoke_user(self, user: str, at: int) -> None:
        """See PeopleDirectory."""
        await self._changes(_REVOKE, str(RevocationKind.USER), user, at)

    async def revocations(self, first: int, since: int, limit: int) -> list[Revocation]:
        """See PeopleDirectory."""
        rows = await self._rows(
            "SELECT n, kind, id, at FROM revocations WHERE n >= ? AND at >= ? ORDER BY n LIMIT ?",
            first,
            since,
            limit,
        )
        return [Revocation(n, RevocationKind(kind), id_, at) for n, kind, id_, at in rows]

    async def add_invite(self, invite: Invite) -> None:
        """See PeopleDirectory."""
        await self._changes(_ADD_INVITE, *(getattr(invite, column) for column in _INVITE.split(", ")))

    async def invite(self, token_digest: bytes) -> Invite | None:
        """See PeopleDirectory."""
        for row in await self._rows(f"{_FROM_INVITES} WHERE token_digest = ?", token_digest):
            return _invite(*row)
        return None

    async def take_invite(self, token_digest: bytes, user: str, now: int) -> Invite | None:
        """See PeopleDirectory."""

        def run(db: sqlite3.Connection) -> Invite | None:
            row = db.execute(
                f"{_FROM_INVITES} WHERE token_digest = ? AND revoked = 0 AND expires > ?",
                (token_digest, now),
            ).fetchone()
            if row is None:
                return None
            invite = _invite(*row)
            pair = (invite.id, user)
            if db.execute("SELECT 1 FROM invite_uses WHERE invite = ? AND user = ?", pair).fetchone():
                return invite
            if invite.uses >= invite.max_uses:
                return None
            db.execute("INSERT INTO invite_uses VALUES (?, ?)", pair)
            db.execute("UPDATE invites SET uses = uses + 1 WHERE id = ?", (invite.id,))
            return msgspec.structs.replace(invite, uses=invite.uses + 1)

        return await self._store.write(run)

    async def give_back_invite(self, id: str, user: str) -> None:  # noqa: A002
        """See PeopleDirectory."""

        def run(db: sqlite3.Connection) -> None:
            if db.execute("DELETE FROM invite_uses WHERE invite = ? AND user = ?", (id, user)).rowcount:
                db.execute("UPDATE invites SET uses = uses - 1 WHERE id = ?", (id,))

        await self._store.write(run)

    async def invites_of(self, room: str, now: int, limit: int) -> list[Invite]:
        """See PeopleDirectory."""
        rows = await self._rows(
            f"{_FROM_INVITES} WHERE room = ? AND revoked = 0 AND expires > ?"
            " AND uses < max_uses ORDER BY created DESC, id LIMIT ?",
            room,
            now,
            limit,
        )
        return [_invite(*row) for row in rows]

    async def revoke_invite(self, room: str, id: str) -> bool:  # noqa: A002
        """See PeopleDirectory."""
        return await self._changes("UPDATE invites SET revoked = 1 WHERE room = ? AND id = ?", room, id)

    async def take_attempt(self, key: str, until: int, limit: int) -> bool:
        """See PeopleDirectory."""
        return await self._changes(_TAKE_ATTEMPT, key, until, limit)

    async def give_back_attempt(self, key: str, until: int) -> None:
        """See PeopleDirectory."""
        await self._changes(
            "UPDATE attempts SET count = count - 1 WHERE key = ? AND until = ? AND count > 0", key, until
        )

    async def clear_attempts(self, key: str) -> None:
        """See PeopleDirectory."""
        await self._changes("DELETE FROM attempts WHERE key = ?", key)

    async def sweep(self, now: int, revoked_before: int) -> None:
        """See PeopleDirectory."""

        def run(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM sessions WHERE expires <= ?", (now,))
            db.execute("DELETE FROM attempts WHERE until <= ?", (now,))
            db.execute(
                "DELETE FROM revocations WHERE at < ? AND n < (SELECT max(n) FROM revocations)",
                (revoked_before,),
            )
            old = now - _MONTH_S
            db.execute(
                "DELETE FROM invite_uses WHERE invite IN (SELECT id FROM invites WHERE expires < ?)", (old,)
            )
            db.execute("DELETE FROM invites WHERE expires < ?", (old,))

        await self._store.write(run)

    async def _rows(self, sql: str, *values: object) -> list[Any]:
        return await self._store.read(lambda db: db.execute(sql, values).fetchall())

    async def _changes(self, sql: str, *values: object) -> bool:
        """Run one statement; whether it changed a row."""
        return await self._store.write(lambda db: db.execute(sql, values).rowcount > 0)


def _json(texts: Collection[str]) -> str:
    return json.dumps(list(texts))


def _user(*row: Any) -> User:
    id_, handle, name, guest, admin, active, created = row
    return User(
        id=id_,
        handle=handle,
        name=name,
        guest=bool(guest),
        admin=bool(admin),
        active=bool(active),
        created=created,
    )


def _session(*row: Any) -> Session:
    return Session(**dict(zip(_SESSION.split(", "), row, strict=True)))


def _invite(*row: Any) -> Invite:
    values = dict(zip(_INVITE.split(", "), row, strict=True))
    return Invite(**values | {"registers": bool(values["registers"]), "revoked": bool(values["revoked"])})
