"""Invites in MongoDB: one document each, with what is left of its uses and who took the others.

So a use is taken in one step, by a change that finds the invite only while it works, has a use left and this
person has none. `MAX_USES` bounds the list of who took one.
"""

from __future__ import annotations

from chat_service.directory.mongo_rows import document_of, row_of
from chat_service.directory.people import Invite
from chat_service.storage.mongo import Document, MongoStore
from chat_service.storage.mongo_migrations import Index, MongoMigration

MIGRATIONS = (
    MongoMigration(
        "people-3-invites",
        (
            Index("invites", "invites_token", (("token_digest", 1),)),
            Index("invites", "invites_room", (("room", 1), ("created", -1), ("_id", 1))),
            Index("invites", "invites_expires", (("expires", 1),)),
        ),
    ),
)

_MONTH_S = 30 * 86_400


class MongoInviteRows:
    """`InviteRows` on a MongoStore."""

    def __init__(self, store: MongoStore) -> None:
        self._invites = store.collection("invites")

    async def add_invite(self, invite: Invite) -> None:
        """See InviteRows."""
        document = document_of(invite)
        await self._invites.insert({**document, "left": invite.max_uses - document.pop("uses"), "users": []})

    async def invite(self, token_digest: bytes) -> Invite | None:
        """See InviteRows."""
        found = await self._invites.find_one({"token_digest": token_digest})
        return None if found is None else _invite(found)

    async def take_invite(self, token_digest: bytes, user: str, now: int) -> Invite | None:
        """See InviteRows. Who has a use already is found by a change too: a read may not see it for a moment."""
        works = {"token_digest": token_digest, "revoked": False, "expires": {"$gt": now}}
        found = await self._invites.find_one_and_update(
            {**works, "left": {"$gt": 0}, "users": {"$ne": user}},
            {"$inc": {"left": -1}, "$push": {"users": user}},
        )
        if found is None:
            found = await self._invites.find_one_and_update({**works, "users": user}, {"$inc": {"left": 0}})
        return None if found is None else _invite(found)

    async def give_back_invite(self, id: str, user: str) -> None:  # noqa: A002
        """See InviteRows."""
        await self._invites.update_one({"_id": id, "users": user}, {"$inc": {"left": 1}, "$pull": {"users": user}})

    async def invites_of(self, room: str, now: int, limit: int) -> list[Invite]:
        """See InviteRows."""
        found = await self._invites.find(
            {"room": room, "revoked": False, "expires": {"$gt": now}, "left": {"$gt": 0}},
            sort=(("created", -1), ("_id", 1)),
            limit=limit,
        )
        return [_invite(document) for document in found]

    async def revoke_invite(self, room: str, id: str) -> bool:  # noqa: A002
        """See InviteRows."""
        return await self._invites.update_one({"_id": id, "room": room}, {"$set": {"revoked": True}})

    async def sweep_invites(self, now: int) -> None:
        """Drop invites that expired a month ago."""
        await self._invites.delete_many({"expires": {"$lt": now - _MONTH_S}})


def _invite(found: Document) -> Invite:
    return row_of(Invite, {**found, "uses": found["max_uses"] - found["left"]})
