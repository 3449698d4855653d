"""What is one's own about a room: the read marker, mute and favourite; and how far others have read."""

import msgspec
from msgspec import UNSET

from chat_service.http.endpoints import AnyEndpoint, Call, Endpoint
from chat_service.model.errors import Code, invalid
from chat_service.rooms.personal import ReadMarker
from chat_service.rooms.requests import Position, PreferenceChange, ReadMark
from chat_service.rooms.service import Rooms

_REFUSES = (Code.FORBIDDEN, Code.NOT_FOUND)


class ReadUpto(msgspec.Struct):
    """How far the caller has read the room."""

    seq: Position


class ReadMarkers(msgspec.Struct):
    """How far members have read, the furthest first."""

    markers: list[ReadMarker]


class RoomPreferences(msgspec.Struct):
    """The caller's preferences for a room."""

    room: str
    muted: bool
    favourite: bool


class PersonalResource:
    """Endpoints below /rooms/{room} that are about the caller's own view of it."""

    def __init__(self, rooms: Rooms) -> None:
        self._personal = rooms.personal

    async def mark_read(self, call: Call[ReadMark, None]) -> ReadUpto:
        """Move the caller's read marker forward."""
        return ReadUpto(await self._personal.mark_read(call.user, call.path["room"], call.body.seq))

    async def list_read_markers(self, call: Call[None, None]) -> ReadMarkers:
        """Show how far members have read."""
        return ReadMarkers(await self._personal.read_markers(call.user, call.path["room"]))

    async def set_preferences(self, call: Call[PreferenceChange, None]) -> RoomPreferences:
        """Change the caller's preferences."""
        muted = None if call.body.muted is UNSET else call.body.muted
        favourite = None if call.body.favourite is UNSET else call.body.favourite
        if muted is None and favourite is None:
            raise invalid("Expected at least one of muted and favourite.")
        room = call.path["room"]
        set_ = await self._personal.set_preferences(call.user, room, muted=muted, favourite=favourite)
        return RoomPreferences(room, set_.muted, set_.favourite)

    def endpoints(self) -> tuple[AnyEndpoint, ...]:
        """What is served."""
        return (
            Endpoint(
                "PUT",
                "/rooms/{room}/read",
                self.mark_read,
                "Say how far I have read",
                tag="rooms",
                body=ReadMark,
                answer=ReadUpto,
                refuses=_REFUSES,
            ),
            Endpoint(
                "GET",
                "/rooms/{room}/read-markers",
                self.list_read_markers,
                "See how far members have read",
                tag="rooms",
                answer=ReadMarkers,
                refuses=_REFUSES,
            ),
            Endpoint(
                "PUT",
                "/rooms/{room}/preferences",
                self.set_preferences,
                "Mute a room, or make it a favourite",
                tag="rooms",
                body=PreferenceChange,
                answer=RoomPreferences,
                refuses=_REFUSES,
            ),
        )
