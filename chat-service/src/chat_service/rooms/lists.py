"""Room lists of connected people: told when a room of theirs comes, goes or changes."""

from __future__ import annotations

import msgspec
import structlog

from chat_service.bus import RoomChanged
from chat_service.directory.rooms import RoomDirectory
from chat_service.model.errors import ChatError
from chat_service.model.permissions import Action
from chat_service.rooms.active import ActiveRooms
from chat_service.rooms.audience import Audience, tell
from chat_service.rooms.views import view

log = structlog.get_logger()


class RoomLists:
    """Keeps the audience's knowledge of who is in which room, and sends `rooms` events."""

    def __init__(self, directory: RoomDirectory, rooms: ActiveRooms, audience: Audience) -> None:
        self._directory = directory
        self._rooms = rooms
        self._audience = audience

    async def tell(self, change: RoomChanged) -> None:
        """Send the room as it is now to the connected people whose list it changes.

        Where it is in memory it is brought up to date in any case: who may read it is known from there.
        """
        here = self._rooms.peek(change.room)
        if here is not None and here.state.head.seq < change.seq:
            try:
                await here.refresh()
            except ChatError as problem:
                log.warning("lists.change_not_read", room=change.room, error=problem.message)
        users = set(change.users)
        if change.everyone:
            users.update(self._audience.members_here(change.room))
        users = {user for user in users if self._audience.connected(user)}
        if not users:
            return
        try:
            writer = await self._rooms.load(change.room)
            if writer.state.head.seq < change.seq:
                await writer.refresh()  # another node's
            state = writer.state
        except ChatError as problem:
            log.warning("lists.change_not_told", room=change.room, error=problem.message)
            return
        for user in users:
            member = user in state.members
            self._audience.set_member(change.room, user, member=member)
            shown = view(state, user) if state.permits(user, Action.READ) else None
            wire = msgspec.json.encode({"room": change.room, "member": member, "view": shown})
            for reader in self._audience.connected(user):
                tell(reader, "rooms", wire)

    async def look_again(self) -> None:
        """Compare what is known of connected people with the directory: another process may have written."""
        for user in self._audience.people():
            rows = await self._directory.rooms_of(user)
            for room in self._audience.set_rooms(user, {row.room for row in rows}):
                await self.tell(RoomChanged(room, (user,)))
