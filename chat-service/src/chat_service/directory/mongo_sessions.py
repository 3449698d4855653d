"""Sessions in MongoDB, and the log of revocations, whose numbers are its `_id`s."""

from __future__ import annotations

from chat_service.directory.mongo_rows import document_of, row_of
from chat_service.directory.people import Revocation, RevocationKind, Rotation, Session
from chat_service.storage.mongo import MongoStore
from chat_service.storage.mongo_migrations import Index, MongoMigration

MIGRATIONS = (
    MongoMigration(
        "people-2-sessions",
        (
            Index(
                "sessions",
                "sessions_user",
                (("user", 1), ("ended", 1), ("last_used", -1), ("created", -1), ("_id", 1)),
            ),
            Index("sessions", "sessions_expires", (("expires", 1),)),
            Index("revocations", "revocations_at", (("at", 1),)),
        ),
    ),
)

_NEWEST = (("_id", -1),)


class MongoSessionRows:
    """`SessionRows` on a MongoStore."""

    def __init__(self, store: MongoStore) -> None:
        self._sessions = store.collection("sessions")
        self._revocations = store.collection("revocations")

    async def add_session(self, session: Session) -> None:
        """See SessionRows."""
        await self._sessions.insert(document_of(session))

    async def session(self, id: str) -> Session | None:  # noqa: A002
        """See SessionRows."""
        found = await self._sessions.find_one({"_id": id})
        return None if found is None else row_of(Session, found)

    async def sessions_of(self, user: str, now: int) -> list[Session]:
        """See SessionRows."""
        found = await self._sessions.find(
            {"user": user, "ended": 0, "expires": {"$gt": now}},
            sort=(("last_used", -1), ("created", -1), ("_id", 1)),
            limit=None,
        )
        return [row_of(Session, document) for document in found]

    async def rotate_session(self, id: str, expected: bytes, rotation: Rotation) -> bool:  # noqa: A002
        """See SessionRows. One document is compared and changed in one step: of two at once one does it."""
        return await self._sessions.update_one(
            {"_id": id, "current": expected, "ended": 0},
            {
                "$set": {
                    "previous": expected,
                    "current": rotation.current,
                    "sealed": rotation.sealed,
                    "rotated": rotation.at,
                    "last_used": rotation.at,
                    "expires": rotation.expires,
                    "address": rotation.address,
                    "agent": rotation.agent,
                }
            },
        )

    async def end_session(self, id: str, at: int) -> bool:  # noqa: A002
        """See SessionRows.

        Logged first: whoever fails in between finds the session alive and logs once more, as do two at
        once. A session that is revoked twice is revoked.
        """
        if await self._sessions.find_one({"_id": id, "ended": 0}, fields=["_id"]) is None:
            return False
        await self._revoke(RevocationKind.SESSION, id, at)
        return await self._sessions.update_one({"_id": id, "ended": 0}, {"$set": {"ended": at}})

    async def revoke_user(self, user: str, at: int) -> None:
        """See SessionRows."""
        await self._revoke(RevocationKind.USER, user, at)

    async def revocations(self, first: int, since: int, limit: int) -> list[Revocation]:
        """See SessionRows."""
        found = await self._revocations.find(
            {"_id": {"$gte": _numbered(first)}, "at": {"$gte": since}}, sort=(("_id", 1),), limit=limit
        )
        return [
            Revocation(int(each["_id"]), RevocationKind(each["kind"]), each["id"], int(each["at"]))
            for each in found
        ]

    async def _revoke(self, kind: RevocationKind, id_: str, at: int) -> None:
        """Append to the log: the number behind the last one, or the next that is free.

        A number is only tried when the one before is taken, so there are no holes, and once one was read no
        lower one appears. A sweep leaves the newest. (Whoever is held up here for longer than revocations
        are kept may fill the place of one that was swept, with one that has expired as well.)
        """
        newest = await self._revocations.find_one({}, sort=_NEWEST, fields=["_id"])
        n = 1 if newest is None else int(newest["_id"]) + 1
        while not await self._revocations.insert({"_id": _numbered(n), "kind": str(kind), "id": id_, "at": at}):
            n += 1

    async def sweep_sessions(self, now: int, revoked_before: int) -> None:
        """Drop expired sessions, and all revocations before `revoked_before` but the newest of all."""
        await self._sessions.delete_many({"expires": {"$lte": now}})
        newest = await self._revocations.find_one({}, sort=_NEWEST, fields=["_id"])
        if newest is not None:
            await self._revocations.delete_many({"at": {"$lt": revoked_before}, "_id": {"$lt": newest["_id"]}})


def _numbered(n: int) -> str:
    return f"{n:016d}"
