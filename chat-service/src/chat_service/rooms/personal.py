"""What is somebody's own about a room: how far they read it, and whether it is muted or a favourite."""

from __future__ import annotations

from typing import Any

import msgspec

from chat_service.bus import Bus, Hint, PersonalEvent
from chat_service.directory.rooms import Preferences, RoomDirectory
from chat_service.log import RoomLog
from chat_service.model.errors import forbidden
from chat_service.model.permissions import Action
from chat_service.model.rooms import RoomState
from chat_service.rooms.browsing import Browsing

MARKERS_MOST = 200
"""Read markers of a room that are shown: those who read furthest."""

RENAMED_ROOMS_MOST = 200
"""Rooms whose openers are told that a member has another name now; who has others open sees it later."""


class ReadMarker(msgspec.Struct, frozen=True):
    """How far somebody has read a room."""

    user: str
    seq: int


class Personal:
    """Changes what is somebody's own and tells who has to know; every method raises as `Browsing` does."""

    def __init__(self, room_log: RoomLog, directory: RoomDirectory, browsing: Browsing, bus: Bus) -> None:
        self._log = room_log
        self._directory = directory
        self._browsing = browsing
        self._bus = bus

    async def mark_read(self, user: str, room: str, seq: int) -> int:
        """Move a member's read marker forward; returns where it is.

        Those who have the room open hear of it, and every connection of the member.
        """
        state = await self._member(user, room, "Only members have a read marker.")
        end = state.head.seq
        if seq > end:
            end = (await self._log.head(room)).seq  # another node may have written
        marked = await self._directory.mark_read(user, room, min(seq, end))
        moved = {"room": room, "user": user, "seq": marked}
        self._tell(user, "read", moved)
        self._bus.publish(Hint(room, "read", msgspec.json.encode(moved)))
        return marked

    async def read_markers(self, user: str, room: str) -> list[ReadMarker]:
        """How far members have read, the furthest first; the asker has to be a member."""
        state = await self._member(user, room, "Only members see how far others have read.")
        if not state.permits(user, Action.SEE_MEMBERS):
            raise forbidden("Your role in this room does not allow this.")
        marks = await self._directory.read_marks(room, MARKERS_MOST)
        return [ReadMarker(one, seq) for one, seq in marks.items() if one in state.members]

    async def set_preferences(
        self, user: str, room: str, *, muted: bool | None, favourite: bool | None
    ) -> Preferences:
        """Change what is given; every connection of the member hears how it is now."""
        await self._member(user, room, "Only members have preferences for a room.")
        preferences = await self._directory.set_preferences(user, room, muted=muted, favourite=favourite)
        self._tell(user, "preferences", {"room": room, **msgspec.structs.asdict(preferences)})
        return preferences

    async def renamed(self, user: str, username: str, name: str) -> None:
        """Tell those who have a room of `user` open that they have another name now."""
        wire = msgspec.json.encode({"id": user, "username": username, "name": name})
        for row in (await self._directory.rooms_of(user))[:RENAMED_ROOMS_MOST]:
            self._bus.publish(Hint(row.room, "person", wire))

    async def _member(self, user: str, room: str, otherwise: str) -> RoomState:
        state = await self._browsing.state(user, room)
        if user not in state.members:
            raise forbidden(otherwise)
        return state

    def _tell(self, user: str, event: str, payload: dict[str, Any]) -> None:
        self._bus.publish(PersonalEvent(user, event, msgspec.json.encode(payload)))
