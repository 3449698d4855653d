"""Rooms and memberships as people look them up: projections of the logs, and what is no entry at all.

A room's row and its members' rows are folded from the room's log; a row is only ever written over one that
was folded at a lower seq, so late and repeated projections do no harm. Read markers, preferences and the
mentions that wait for somebody live here alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

import msgspec

from chat_service.model.permissions import Role
from chat_service.model.rooms import RoomKind, RoomState, Visibility


class RoomRow(msgspec.Struct, frozen=True, kw_only=True):
    """A room as a list shows it; `people` counts its members."""

    room: str
    kind: RoomKind
    visibility: Visibility
    name: str
    topic: str
    people: int


class MembershipRow(msgspec.Struct, frozen=True, kw_only=True):
    """One of somebody's rooms: their role, since which seq, how far they read, how often they are mentioned.

    `read_seq` is 0 where nothing was read. `mentions` counts those after `read_seq`. `with_user` is the
    other person of a direct room.
    """

    room: str
    kind: RoomKind
    visibility: Visibility
    name: str
    topic: str
    role: Role
    since: int
    read_seq: int = 0
    mentions: int = 0
    with_user: str | None = None
    muted: bool = False
    favourite: bool = False


class Preferences(msgspec.Struct, frozen=True):
    """What somebody set for one of their rooms: no counts of it (`muted`), on top of the list (`favourite`)."""

    muted: bool = False
    favourite: bool = False


class RoomDirectory(Protocol):
    """Looked-up rooms of one store. All methods raise ChatError `unavailable` when it cannot be reached."""

    async def project(self, state: RoomState, changed: Collection[str]) -> None:
        """Write the room's row and the rows of the `changed` users as folded at `state.head`.

        Somebody of `changed` who is no member is written as having left. Rows folded at a later seq stay.
        """
        ...

    async def snapshot(self, room: str) -> RoomState | None:
        """The room as projected last; its `head` says up to where. None where nothing was projected yet."""
        ...

    async def projected(self, rooms: Collection[str]) -> dict[str, int]:
        """Up to which seq each of these rooms is projected; rooms without a row are left out."""
        ...

    async def rooms_of(self, user: str) -> list[MembershipRow]:
        """Every room that `user` is a member of, by name."""
        ...

    async def public_rooms(self, query: str, after: str, limit: int) -> list[RoomRow]:
        """Public channels whose name or topic contains `query`, by room id, beyond the id `after`."""
        ...

    async def mark_read(self, user: str, room: str, seq: int) -> int:
        """Move the read marker forward, never back; returns where it is now. Clears mentions up to it."""
        ...

    async def read_marks(self, room: str, limit: int) -> dict[str, int]:
        """How far people have read a room, the `limit` furthest; whoever read nothing is left out."""
        ...

    async def set_preferences(
        self, user: str, room: str, *, muted: bool | None = None, favourite: bool | None = None
    ) -> Preferences:
        """Change what is given of somebody's preferences for a room; returns them as they are now."""
        ...

    async def add_mentions(self, room: str, mentions: Mapping[int, Collection[str]]) -> None:
        """Note that the messages at these seqs mention these users. Idempotent."""
        ...

    async def rooms_ever(self, user: str) -> list[str]:
        """The ids of every room that `user` is or was a member of."""
        ...

    async def retaining(self, after: str, limit: int) -> list[tuple[str, int]]:
        """Rooms by id, beyond the id `after`, that keep messages for so many days only."""
        ...

    async def redacted_upto(self, rooms: Collection[str]) -> dict[str, int]:
        """For each room, the seq of the last redaction whose bodies are overwritten; none yet: left out."""
        ...

    async def set_redacted_upto(self, room: str, seq: int) -> None:
        """Move that cursor forward, never back."""
        ...
