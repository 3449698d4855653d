"""Users in MongoDB: one document each, whose `_id` is the handle, so that no two can have the same.

A handle never changes. Names are looked up by their stored casefold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from chat_service.directory.mongo_rows import begins_with, document_of, find_among
from chat_service.directory.people import Credential, User
from chat_service.storage.mongo import Change, Document, MongoStore
from chat_service.storage.mongo_migrations import Index, MongoMigration

MIGRATIONS = (
    MongoMigration(
        "people-1-users",
        (
            Index("users", "users_id", (("id", 1),), unique=True),
            Index("users", "users_folded", (("folded", 1), ("_id", 1))),
        ),
    ),
)

_FIELDS = User.__struct_fields__


class MongoUserRows:
    """`UserRows` on a MongoStore."""

    def __init__(self, store: MongoStore) -> None:
        self._users = store.collection("users")

    async def add_user(self, user: User, password_hash: str) -> bool:
        """See UserRows. Of two that take one handle at once the `_id` refuses one."""
        document = {**document_of(user), "_id": user.handle, "id": user.id}
        del document["handle"]
        return await self._users.insert(
            {**document, "folded": user.name.casefold(), "password_hash": password_hash}
        )

    async def users(self, ids: Collection[str]) -> dict[str, User]:
        """See UserRows."""
        return {found["id"]: _user(found) for found in await find_among(self._users, "id", ids, _FIELDS)}

    async def ids_by_handles(self, handles: Collection[str]) -> dict[str, str]:
        """See UserRows."""
        return {found["_id"]: found["id"] for found in await find_among(self._users, "_id", handles, ["id"])}

    async def search_users(self, prefix: str, after: str, limit: int, *, inactive: bool = False) -> list[User]:
        """See UserRows."""
        who = {"guest": False} if inactive else {"guest": False, "active": True}
        handles = begins_with(prefix)
        if after >= prefix:
            handles = {"$gt": after, "$lt": handles["$lt"]}
        searches = [{"_id": handles, **who}]
        if prefix:
            searches.append({"folded": begins_with(prefix), "_id": {"$gt": after}, **who})
        pages = await asyncio.gather(
            *(self._users.find(where, sort=(("_id", 1),), limit=limit, fields=_FIELDS) for where in searches)
        )
        found = {document["_id"]: document for page in pages for document in page}
        return [_user(found[handle]) for handle in sorted(found)[:limit]]

    async def credential(self, handle: str) -> Credential | None:
        """See UserRows."""
        found = await self._users.find_one({"_id": handle})
        return None if found is None else Credential(_user(found), found["password_hash"])

    async def set_password(self, user: str, old_hash: str | None, new_hash: str) -> bool:
        """See UserRows."""
        where = {"id": user} if old_hash is None else {"id": user, "password_hash": old_hash}
        return await self._users.update_one(where, {"$set": {"password_hash": new_hash}})

    async def set_name(self, user: str, name: str) -> bool:
        """See UserRows."""
        return await self._change(user, {"$set": {"name": name, "folded": name.casefold()}})

    async def set_admin(self, user: str, admin: bool) -> bool:
        """See UserRows."""
        return await self._change(user, {"$set": {"admin": admin}})

    async def set_active(self, user: str, active: bool) -> bool:
        """See UserRows."""
        return await self._change(user, {"$set": {"active": active}})

    async def _change(self, user: str, change: Change) -> bool:
        return await self._users.update_one({"id": user}, change)


def _user(found: Document) -> User:
    return User(
        id=found["id"],
        handle=found["_id"],
        name=found["name"],
        guest=found["guest"],
        admin=found["admin"],
        active=found["active"],
        created=int(found["created"]),
    )
