"""A room directory in memory, for tests that interleave its calls."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import replace

from chat_service.directory.rooms import MembershipRow, Preferences, RoomRow
from chat_service.model.rooms import Member, RoomKind, RoomState, Visibility


class MemoryDirectory:
    """`RoomDirectory` on dictionaries. A member's row is (member or None, folded at)."""

    def __init__(self) -> None:
        self.rooms: dict[str, RoomState] = {}
        self.members: dict[tuple[str, str], tuple[Member | None, int]] = {}
        self.marks: dict[tuple[str, str], int] = {}
        self.mentions: set[tuple[str, str, int]] = set()
        self.cursors: dict[str, int] = {}
        self.preferences: dict[tuple[str, str], Preferences] = {}

    async def project(self, state: RoomState, changed: Collection[str]) -> None:
        """See RoomDirectory."""
        self.write(copy.deepcopy(state), changed)

    def write(self, state: RoomState, changed: Collection[str]) -> None:
        """Project `state` now."""
        before = self.rooms.get(state.room)
        if before is None or state.head.seq > before.head.seq:
            self.rooms[state.room] = replace(state, members={}, erased=dict(state.erased), pins=list(state.pins))
        for user in changed:
            if state.head.seq > self.members.get((state.room, user), (None, 0))[1]:
                self.members[state.room, user] = (state.members.get(user), state.head.seq)

    async def snapshot(self, room: str) -> RoomState | None:
        """See RoomDirectory."""
        found = self.rooms.get(room)
        if found is None:
            return None
        people = {user: row for (where, user), (row, _) in self.members.items() if where == room and row}
        return replace(found, members=people, erased=dict(found.erased), pins=list(found.pins))

    async def projected(self, rooms: Collection[str]) -> dict[str, int]:
        """See RoomDirectory."""
        return {room: self.rooms[room].head.seq for room in rooms if room in self.rooms}

    async def rooms_of(self, user: str) -> list[MembershipRow]:
        """See RoomDirectory."""
        rows = []
        for (room, who), (member, _) in self.members.items():
            if who == user and member is not None and room in self.rooms:
                rows.append(self._membership(self.rooms[room], user, member))
        return sorted(rows, key=lambda row: (row.name, row.room))

    def _membership(self, state: RoomState, user: str, member: Member) -> MembershipRow:
        room = state.room
        read = self.marks.get((user, room), 0)
        others = [who for where, who in self.members if where == room and who != user]
        return MembershipRow(
            room=room,
            kind=state.kind,
            visibility=state.visibility,
            name=state.name,
            topic=state.topic,
            role=member.role,
            since=member.since,
            read_seq=read,
            mentions=sum(1 for who, where, seq in self.mentions if (who, where) == (user, room) and seq > read),
            with_user=others[0] if state.kind is RoomKind.DIRECT and others else None,
            muted=self.preferences.get((user, room), Preferences()).muted,
            favourite=self.preferences.get((user, room), Preferences()).favourite,
        )

    async def public_rooms(self, query: str, after: str, limit: int) -> list[RoomRow]:
        """See RoomDirectory."""
        found = [
            RoomRow(
                room=room,
                kind=state.kind,
                visibility=state.visibility,
                name=state.name,
                topic=state.topic,
                people=sum(1 for (where, _), (row, _) in self.members.items() if where == room and row),
            )
            for room, state in sorted(self.rooms.items())
            if state.visibility is Visibility.PUBLIC and state.kind is RoomKind.CHANNEL and room > after
        ]
        wanted = query.lower()
        return [row for row in found if wanted in row.name.lower() or wanted in row.topic.lower()][:limit]

    async def mark_read(self, user: str, room: str, seq: int) -> int:
        """See RoomDirectory."""
        self.marks[user, room] = max(seq, self.marks.get((user, room), 0))
        return self.marks[user, room]

    async def read_marks(self, room: str, limit: int) -> dict[str, int]:
        """See RoomDirectory."""
        marks = {user: seq for (user, where), seq in self.marks.items() if where == room and seq}
        return dict(sorted(marks.items(), key=lambda mark: -mark[1])[:limit])

    async def set_preferences(
        self, user: str, room: str, *, muted: bool | None = None, favourite: bool | None = None
    ) -> Preferences:
        """See RoomDirectory."""
        before = self.preferences.get((user, room), Preferences())
        self.preferences[user, room] = Preferences(
            before.muted if muted is None else muted, before.favourite if favourite is None else favourite
        )
        return self.preferences[user, room]

    async def add_mentions(self, room: str, mentions: Mapping[int, Collection[str]]) -> None:
        """See RoomDirectory."""
        self.mentions.update((user, room, seq) for seq, users in mentions.items() for user in users)

    async def rooms_ever(self, user: str) -> list[str]:
        """See RoomDirectory."""
        return [room for room, who in self.members if who == user]

    async def retaining(self, after: str, limit: int) -> list[tuple[str, int]]:
        """See RoomDirectory."""
        rooms = sorted((room, state.retention_days) for room, state in self.rooms.items() if room > after)
        return [(room, days) for room, days in rooms if days > 0][:limit]

    async def redacted_upto(self, rooms: Collection[str]) -> dict[str, int]:
        """See RoomDirectory."""
        return {room: self.cursors[room] for room in rooms if room in self.cursors}

    async def set_redacted_upto(self, room: str, seq: int) -> None:
        """See RoomDirectory."""
        self.cursors[room] = max(seq, self.cursors.get(room, 0))
