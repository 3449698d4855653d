"""The original application's protocol, on the namespace `/`: no accounts, rooms by name, nothing replayed.

What it calls a room is an open room of ours, made on first use; its messages are entries of that room's log,
its joins and leaves are presence and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from chat_service.bus import Present
from chat_service.engine import Frames
from chat_service.identity.limits import RateLimits, address_key
from chat_service.model import ids
from chat_service.model.entries import Kind
from chat_service.model.errors import ChatError, Code
from chat_service.realtime.acks import failure, success
from chat_service.realtime.connection import Connection
from chat_service.realtime.dialects import LEGACY_NAMESPACE, LegacyDialect, legacy_message
from chat_service.realtime.packets import event_frames
from chat_service.realtime.reader import SocketReader
from chat_service.rooms.attendance import ONLINE_MOST
from chat_service.rooms.requests import Name, Text, check_length, parse
from chat_service.rooms.service import Rooms

MAX_ROOMS = 50
"""Rooms that one connection may be in."""


class JoinRequest(msgspec.Struct):
    """join-room. What else a client puts in is ignored, as it always was."""

    roomId: Name  # noqa: N815 - the original protocol's word
    username: Name


class MessageRequest(msgspec.Struct):
    """event:message."""

    roomId: Name  # noqa: N815 - the original protocol's word
    username: Name
    message: Text


class _Guest:
    """A connection of the original protocol. Its events are worked on one after the other."""

    __slots__ = ("reader", "turn")

    def __init__(self, reader: SocketReader) -> None:
        self.reader = reader
        self.turn = asyncio.Lock()


class LegacyNamespace:
    """The NamespaceHandler of the original protocol."""

    def __init__(self, rooms: Rooms, limits: RateLimits, *, max_message_chars: int) -> None:
        self._rooms = rooms
        self._limits = limits
        self._max_message_chars = max_message_chars
        self._dialect = LegacyDialect()
        rooms.presence.watch(self._attended)
        self._guests: dict[str, _Guest] = {}

    async def admit(self, connection: Connection, auth: dict[str, Any] | None) -> None:
        """Let anybody in."""
        del auth
        # Who reads is the connection; who writes is whatever name comes with each message.
        reader = SocketReader(connection, ids.legacy_user_id(connection.id), self._dialect)
        connection.state = self._guests[connection.id] = _Guest(reader)

    def event(self, connection: Connection, name: str, args: list[Any]) -> object:
        """Do what an event asks for, after the connection's earlier ones."""
        self._limits.check("events_per_address", address_key(connection.address))
        guest: _Guest = connection.state
        if not args:
            raise ChatError(Code.INVALID, f"{name[:64]} takes one object.")
        if name == "join-room":
            return self._in_turn(guest, self._join, parse(args[0], JoinRequest))
        if name == "event:message":
            self._limits.check("send_per_user", address_key(connection.address))
            return self._in_turn(guest, self._send, parse(args[0], MessageRequest))
        raise ChatError(Code.INVALID, f"There is no event {name[:64]!r}.")

    def failed(self, connection: Connection, error: BaseException) -> object:
        """Tell the client by an `error` event as well: this protocol's clients ask for no acknowledgement."""
        answer = failure(error, connection.namespace)
        connection.emit("error", answer["error"])
        return answer

    def drained(self, connection: Connection) -> None:
        """Wake what waits to write to the connection."""
        guest: _Guest = connection.state
        guest.reader.settle(open_=True)

    def gone(self, connection: Connection, reason: str) -> None:
        """Tell the rooms it was in."""
        del reason
        guest = self._guests.pop(connection.id, None)
        if guest is None:
            return
        guest.reader.settle(open_=False)
        self._rooms.disconnect(guest.reader, guest.reader.rooms)

    def __len__(self) -> int:
        """How many connections there are."""
        return len(self._guests)

    async def _in_turn(self, guest: _Guest, act: Callable[..., Any], request: msgspec.Struct) -> object:
        async with guest.turn:
            return await act(guest, request)

    async def _join(self, guest: _Guest, request: JoinRequest) -> object:
        reader = guest.reader
        if len(reader.rooms) >= MAX_ROOMS and ids.open_room_id(request.roomId) not in reader.rooms:
            raise ChatError(Code.TOO_LARGE, f"A connection can be in {MAX_ROOMS} rooms at most.")
        room = (await self._rooms.open_by_name(reader.user, request.roomId)).room
        await self._rooms.listen(reader, room)
        if not reader.connection.is_open:
            self._rooms.close(reader, room)
            return None
        self._rooms.presence.leave(room, reader.id)
        reader.rooms.add(room)
        self._dialect.room_names[room] = request.roomId
        self._rooms.presence.enter(room, reader.id, Present(reader.id, request.username))
        reader.write(_event("room-joined", {"roomId": request.roomId, **self._people(room)}))
        return success()

    def _attended(self, room: str, person: Present, here: bool, origin: str) -> None:
        """Tell everyone here of somebody who came to a room of theirs or went, on whatever node."""
        if not person.name:
            return
        if self._rooms.presence.named_here(room):
            told = {"username": person.name, **self._people(room)}
            self._rooms.echo(room, "user-joined" if here else "user-left", told, origin=origin)
        else:
            self._dialect.room_names.pop(room, None)

    def _people(self, room: str) -> dict[str, Any]:
        presence = self._rooms.presence
        names = [person.name for person in presence.present(room) if person.name]
        return {"userCount": presence.named(room), "userList": names[:ONLINE_MOST]}

    async def _send(self, guest: _Guest, request: MessageRequest) -> object:
        check_length(request.message, self._max_message_chars)
        reader = guest.reader
        room = (await self._rooms.open_by_name(reader.user, request.roomId)).room
        body = {"text": request.message, "name": request.username}
        sender = ids.legacy_user_id(request.username)
        stored = await self._rooms.submit(sender, room, Kind.MESSAGE, body, origin=reader)
        if room not in reader.rooms:
            # "To all of the room and the sender": one who has not joined hears only of their own.
            told = legacy_message(
                name=request.username, text=request.message, room_name=request.roomId, ts=stored.ts
            )
            reader.write(_event("message", told))
        return success(seq=stored.seq)


def _event(name: str, argument: object) -> Frames:
    return event_frames(LEGACY_NAMESPACE, name, msgspec.json.encode(argument))
