"""Rooms: making, finding, showing, changing, joining and leaving them."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from chat_service.directory.rooms import RoomRow
from chat_service.http.endpoints import AnyEndpoint, Call, Endpoint, Keyed
from chat_service.model.entries import Kind
from chat_service.model.errors import Code, invalid
from chat_service.rooms.deciding import Receipt
from chat_service.rooms.requests import (
    ChannelCreate,
    DirectOpen,
    Limit,
    Request,
    RoomChange,
    RoomId,
)
from chat_service.rooms.service import Rooms
from chat_service.rooms.views import RoomSummary, RoomView

Looked = Annotated[str, Meta(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$", description="What it contains.")]
_SETTINGS = ("visibility", "history", "guests", "retention_days")
_WRITE = (Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT, Code.KEY_REUSED, Code.OVERLOADED)


class MyRooms(msgspec.Struct):
    """The caller's rooms, by name."""

    rooms: list[RoomSummary]


class PublicRooms(msgspec.Struct):
    """Some public channels; `next` is the `after` of the next page, null at the end."""

    rooms: list[RoomRow]
    next: str | None


class PublicRoomsQuery(Request):
    """`q` is part of a name or a topic; `after` is the `next` of the page before."""

    q: Looked = ""
    after: RoomId | None = None
    limit: Limit = 50


class RoomsResource:
    """Endpoints below /rooms that are about a room itself."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def create_channel(self, call: Call[ChannelCreate, None]) -> RoomView:
        """Make a channel."""
        asked = call.body
        return await self._rooms.create_channel(
            call.user,
            name=asked.name,
            topic=asked.topic,
            visibility=asked.visibility,
            history=asked.history,
            guests=asked.guests,
            key=call.key,
        )

    async def open_direct(self, call: Call[DirectOpen, None]) -> RoomView:
        """Find or make the room with one other person: the same one every time, so a key says nothing."""
        return await self._rooms.open_direct(call.user, call.body.user)

    async def list_rooms(self, call: Call[None, None]) -> MyRooms:
        """Show the caller's rooms."""
        return MyRooms(await self._rooms.browsing.rooms_of(call.user))

    async def search_public_rooms(self, call: Call[None, PublicRoomsQuery]) -> PublicRooms:
        """Find public channels."""
        asked = call.query
        found = await self._rooms.browsing.public_rooms(call.user, asked.q, asked.after or "", asked.limit + 1)
        page = found[: asked.limit]
        return PublicRooms(page, page[-1].room if len(found) > len(page) else None)

    async def show_room(self, call: Call[None, None]) -> RoomView:
        """Show a room."""
        return await self._rooms.browsing.view(call.user, call.path["room"])

    async def change_room(self, call: Call[RoomChange, None]) -> RoomView:
        """Change what is given, what fewer may change first: a refusal then leaves everything as it was."""
        room, key = call.path["room"], call.key
        changes = _changes(call.body)
        if not changes:
            raise invalid("Expected at least one of name, topic, visibility, history, guests and retention_days.")
        for kind, body in changes.items():
            # Each is an entry with a key of its own; no client can make one with a slash in it.
            await self._rooms.act(call.user, room, kind, body, key=None if key is None else f"{key}/{kind}")
        return await self._rooms.browsing.view(call.user, room)

    async def join_room(self, call: Call[Keyed, None]) -> RoomView:
        """Join a public channel."""
        body = {"user": call.user, "role": "member"}
        await self._rooms.act(call.user, call.path["room"], Kind.JOIN, body, key=call.key)
        return await self._rooms.browsing.view(call.user, call.path["room"])

    async def leave_room(self, call: Call[Keyed, None]) -> Receipt:
        """Leave a room."""
        body = {"user": call.user}
        return await self._rooms.act(call.user, call.path["room"], Kind.LEAVE, body, key=call.key)

    def endpoints(self) -> tuple[AnyEndpoint, ...]:
        """What is served."""
        return (*self._finding(), *self._making(), *self._taking_part())

    def _finding(self) -> tuple[AnyEndpoint, ...]:
        return (
            Endpoint("GET", "/rooms", self.list_rooms, "List my rooms", tag="rooms", answer=MyRooms),
            Endpoint(
                "GET",
                "/rooms/public",
                self.search_public_rooms,
                "Find public channels",
                tag="rooms",
                query=PublicRoomsQuery,
                answer=PublicRooms,
            ),
            Endpoint(
                "GET",
                "/rooms/{room}",
                self.show_room,
                "Show a room",
                tag="rooms",
                answer=RoomView,
                refuses=(Code.NOT_FOUND,),
            ),
        )

    def _making(self) -> tuple[AnyEndpoint, ...]:
        return (
            Endpoint(
                "POST",
                "/rooms",
                self.create_channel,
                "Make a channel",
                tag="rooms",
                body=ChannelCreate,
                answer=RoomView,
                status=201,
                keyed=True,
                refuses=_WRITE,
            ),
            Endpoint(
                "POST",
                "/rooms/direct",
                self.open_direct,
                "Open the direct-message room with somebody",
                tag="rooms",
                body=DirectOpen,
                answer=RoomView,
                keyed=True,
                refuses=_WRITE,
            ),
            Endpoint(
                "PATCH",
                "/rooms/{room}",
                self.change_room,
                "Change a channel's name, topic or settings",
                tag="rooms",
                body=RoomChange,
                answer=RoomView,
                keyed=True,
                refuses=_WRITE,
            ),
        )

    def _taking_part(self) -> tuple[AnyEndpoint, ...]:
        return (
            Endpoint(
                "POST",
                "/rooms/{room}/join",
                self.join_room,
                "Join a public channel",
                tag="rooms",
                body=Keyed,
                answer=RoomView,
                keyed=True,
                refuses=_WRITE,
            ),
            Endpoint(
                "POST",
                "/rooms/{room}/leave",
                self.leave_room,
                "Leave a channel",
                tag="rooms",
                body=Keyed,
                answer=Receipt,
                keyed=True,
                refuses=_WRITE,
            ),
        )


def _changes(asked: RoomChange) -> dict[Kind, dict[str, Any]]:
    given: dict[str, Any] = {
        name: value for name in (*_SETTINGS, "name", "topic") if (value := getattr(asked, name)) is not UNSET
    }
    settings: dict[str, Any] = {name: given[name] for name in _SETTINGS if name in given}
    changes: dict[Kind, dict[str, Any]] = {Kind.SETTINGS: settings} if settings else {}
    if "name" in given:
        changes[Kind.NAME] = {"name": given["name"]}
    if "topic" in given:
        changes[Kind.TOPIC] = {"topic": given["topic"]}
    return changes
