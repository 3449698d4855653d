"""The room directory in MongoDB.

One document a room, one a membership, one for what somebody has of a room (marker, preferences), one a
waiting mention. A projection writes the members' rows before the room's, and a snapshot reads the room's
first: so the members that it finds are at least as new as the room's `projected` says, whatever stops or
runs in between; what the room's row does not say yet is projected again.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Collection, Mapping

from chat_service.directory.mongo_rows import (
    BY_ID,
    batches,
    change_or_make,
    find_among,
    numbers_of,
    put_over_lower,
    replace_lower,
)
from chat_service.directory.rooms import MembershipRow, Preferences, RoomRow
from chat_service.model.entries import Head
from chat_service.model.permissions import MEMBER_ROLES, Role
from chat_service.model.rooms import HistoryAccess, Member, RoomKind, RoomState, Visibility
from chat_service.storage.mongo import Change, Document, MongoStore
from chat_service.storage.mongo_migrations import Index, MongoMigration

MIGRATIONS = (
    MongoMigration(
        "rooms-1-projections",
        (
            Index("rooms", "rooms_public", (("visibility", 1), ("kind", 1), ("_id", 1))),
            Index("members", "members_room", (("room", 1), ("user", 1))),
            Index("members", "members_user", (("user", 1), ("room", 1))),
            Index("personal", "personal_user", (("user", 1),)),
            Index("personal", "personal_room", (("room", 1), ("seq", -1), ("user", 1))),
            Index("mentions", "mentions_user", (("user", 1), ("room", 1), ("seq", 1))),
            Index("redaction_cursors", *BY_ID),
        ),
    ),
    MongoMigration("rooms-2-retention", (Index("rooms", "rooms_retaining", (("retains", 1), ("_id", 1))),)),
)

MENTIONS_MOST = 10_000
"""Waiting mentions of one person that are counted: beyond, the counts of some rooms are too low."""

_INSIDE = {"$in": sorted(MEMBER_ROLES)}


class MongoRoomDirectory:
    """`RoomDirectory` on a MongoStore."""

    def __init__(self, store: MongoStore) -> None:
        self._rooms = store.collection("rooms")
        self._members = store.collection("members")
        self._personal = store.collection("personal")
        self._mentions = store.collection("mentions")
        self._redactions = store.collection("redaction_cursors")

    async def project(self, state: RoomState, changed: Collection[str]) -> None:
        """See RoomDirectory."""
        room_row = _room_row(state)  # before any await: the state goes on changing
        member_rows = [_member_row(state, user) for user in changed]
        await put_over_lower(self._members, member_rows, "seq")
        if not await replace_lower(self._rooms, [room_row], "projected"):
            await put_over_lower(self._rooms, [room_row], "projected")

    async def snapshot(self, room: str) -> RoomState | None:
        """See RoomDirectory."""
        found = await self._rooms.find_one({"_id": room})
        if found is None:
            return None
        members = await self._members.find(
            {"room": room, "role": _INSIDE}, sort=(("user", 1),), limit=None, fields=["user", "role", "since"]
        )
        return _state(found, {row["user"]: Member(Role(row["role"]), int(row["since"])) for row in members})

    async def projected(self, rooms: Collection[str]) -> dict[str, int]:
        """See RoomDirectory."""
        return await numbers_of(self._rooms, "projected", rooms)

    async def rooms_of(self, user: str) -> list[MembershipRow]:
        """See RoomDirectory."""
        mine = await self._members.find(
            {"user": user, "role": _INSIDE}, sort=(("room", 1),), limit=None, fields=["room", "role", "since"]
        )
        rooms, personal, mentions = await asyncio.gather(
            find_among(self._rooms, "_id", [row["room"] for row in mine]),
            self._personal.find({"user": user}, sort=None, limit=None),
            self._mentions.find(
                {"user": user}, sort=(("room", 1), ("seq", 1)), limit=MENTIONS_MOST, fields=["room", "seq"]
            ),
        )
        known = {row["_id"]: row for row in rooms}
        own = {row["room"]: row for row in personal}
        waiting = Counter(row["room"] for row in mentions if row["seq"] > own.get(row["room"], {}).get("seq", 0))
        listed = [
            _membership(row, known[row["room"]], own.get(row["room"], {}), waiting[row["room"]], user)
            for row in mine
            if row["room"] in known
        ]
        return sorted(listed, key=lambda row: (row.name, row.room))

    async def public_rooms(self, query: str, after: str, limit: int) -> list[RoomRow]:
        """See RoomDirectory."""
        where: dict[str, object] = {
            "visibility": str(Visibility.PUBLIC),
            "kind": str(RoomKind.CHANNEL),
            "_id": {"$gt": after},
        }
        if "\x00" in query:  # no pattern can hold it, and no name does
            return []
        if query:
            where["folded"] = {"$regex": re.escape(query.casefold())}
        found = await self._rooms.find(where, sort=(("_id", 1),), limit=limit)
        return [
            RoomRow(
                room=row["_id"],
                kind=RoomKind(row["kind"]),
                visibility=Visibility(row["visibility"]),
                name=row["name"],
                topic=row["topic"],
                people=int(row["people"]),
            )
            for row in found
        ]

    async def mark_read(self, user: str, room: str, seq: int) -> int:
        """See RoomDirectory. The marker goes first: a mention that stays behind it is counted no more."""
        marked = await change_or_make(self._personal, _own(user, room), {"$max": {"seq": seq}})
        await self._mentions.delete_many({"user": user, "room": room, "seq": {"$lte": seq}})
        return int(marked["seq"])

    async def read_marks(self, room: str, limit: int) -> dict[str, int]:
        """See RoomDirectory."""
        found = await self._personal.find(
            {"room": room, "seq": {"$gt": 0}},
            sort=(("seq", -1), ("user", 1)),
            limit=limit,
            fields=["user", "seq"],
        )
        return {row["user"]: int(row["seq"]) for row in found}

    async def set_preferences(
        self, user: str, room: str, *, muted: bool | None = None, favourite: bool | None = None
    ) -> Preferences:
        """See RoomDirectory."""
        given = {"muted": muted, "favourite": favourite}
        changed = {name: value for name, value in given.items() if value is not None}
        # The names are in any case: a change has to have something in it.
        change: Change = {"$set": {"user": user, "room": room, **changed}}
        return _preferences(await change_or_make(self._personal, _own(user, room), change))

    async def add_mentions(self, room: str, mentions: Mapping[int, Collection[str]]) -> None:
        """See RoomDirectory. A mention that is there already refuses its repeat by the `_id`."""
        rows = [
            {"_id": f"{_pair(user, room)}.{seq:016d}", "user": user, "room": room, "seq": seq}
            for seq, users in mentions.items()
            for user in users
        ]
        for batch in batches(rows):
            await self._mentions.insert_each(batch)

    async def rooms_ever(self, user: str) -> list[str]:
        """See RoomDirectory."""
        found = await self._members.find({"user": user}, sort=(("room", 1),), limit=None, fields=["room"])
        return [row["room"] for row in found]

    async def retaining(self, after: str, limit: int) -> list[tuple[str, int]]:
        """See RoomDirectory."""
        where = {"retains": True, "_id": {"$gt": after}}
        found = await self._rooms.find(where, sort=(("_id", 1),), limit=limit, fields=["retention_days"])
        return [(row["_id"], int(row["retention_days"])) for row in found]

    async def redacted_upto(self, rooms: Collection[str]) -> dict[str, int]:
        """See RoomDirectory."""
        return await numbers_of(self._redactions, "seq", rooms)

    async def set_redacted_upto(self, room: str, seq: int) -> None:
        """See RoomDirectory."""
        await put_over_lower(self._redactions, [{"_id": room, "seq": seq}], "seq")


def _pair(user: str, room: str) -> str:
    return f"{user}.{room}"


def _room_row(state: RoomState) -> Document:
    return {
        "_id": state.room,
        "projected": state.head.seq,
        "head_id": state.head.id,
        "first_id": state.first_id,
        "kind": str(state.kind),
        "visibility": str(state.visibility),
        "history": str(state.history),
        "guests": state.guests,
        "name": state.name,
        "topic": state.topic,
        "folded": f"{state.name}\n{state.topic}".casefold(),
        "people": len(state.members),
        "pair": sorted(state.members) if state.kind is RoomKind.DIRECT else [],
        "created_ts": state.created_ts,
        "retained_upto": state.retained_upto,
        "erased": dict(state.erased),
        "pins": list(state.pins),
        "retention_days": state.retention_days,
        "retains": state.retention_days > 0,
    }


def _member_row(state: RoomState, user: str) -> Document:
    member = state.members.get(user)
    return {
        "_id": _pair(user, state.room),
        "room": state.room,
        "user": user,
        "role": None if member is None else str(member.role),
        "since": 0 if member is None else member.since,
        "seq": state.head.seq,
    }


def _state(row: Document, members: dict[str, Member]) -> RoomState:
    return RoomState(
        room=row["_id"],
        head=Head(int(row["projected"]), row["head_id"]),
        first_id=row["first_id"],
        kind=RoomKind(row["kind"]),
        visibility=Visibility(row["visibility"]),
        history=HistoryAccess(row["history"]),
        guests=row["guests"],
        name=row["name"],
        topic=row["topic"],
        created_ts=int(row["created_ts"]),
        members=members,
        retained_upto=int(row["retained_upto"]),
        erased={user: int(upto) for user, upto in row["erased"].items()},
        pins=[int(seq) for seq in row["pins"]],
        retention_days=int(row.get("retention_days", 0)),
    )


def _membership(row: Document, room: Document, own: Document, mentions: int, user: str) -> MembershipRow:
    preferences = _preferences(own)
    return MembershipRow(
        room=row["room"],
        kind=RoomKind(room["kind"]),
        visibility=Visibility(room["visibility"]),
        name=room["name"],
        topic=room["topic"],
        role=Role(row["role"]),
        since=int(row["since"]),
        read_seq=int(own.get("seq", 0)),
        mentions=mentions,
        with_user=next((other for other in room["pair"] if other != user), None),
        muted=preferences.muted,
        favourite=preferences.favourite,
    )


def _own(user: str, room: str) -> Document:
    """What somebody has of a room, before they have said anything of it."""
    return {"_id": _pair(user, room), "user": user, "room": room, "seq": 0}


def _preferences(own: Document) -> Preferences:
    return Preferences(bool(own.get("muted", False)), bool(own.get("favourite", False)))
