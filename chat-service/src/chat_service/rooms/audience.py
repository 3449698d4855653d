"""The audience of this node: who is connected, which rooms are theirs, and what they hear of rooms not open."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from chat_service.bus import Appended, PersonalEvent
from chat_service.rooms.delivery import Delivery
from chat_service.rooms.readers import Reader


class Audience:
    """Connections by person, and connected people by room."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._readers: dict[str, dict[str, Reader]] = {}
        self._rooms: dict[str, set[str]] = {}
        self._members: dict[str, set[str]] = {}

    def enter(self, reader: Reader, rooms: Iterable[str]) -> None:
        """Note a connection and the rooms of who it is signed in as."""
        self._readers.setdefault(reader.user, {})[reader.id] = reader
        for room in rooms:
            self.set_member(room, reader.user, member=True)

    def leave(self, reader: Reader) -> None:
        """Forget a connection, and with their last one its person."""
        readers = self._readers.get(reader.user, {})
        readers.pop(reader.id, None)
        if not readers:
            self._readers.pop(reader.user, None)
            for room in list(self._rooms.get(reader.user, ())):
                self.set_member(room, reader.user, member=False)

    def set_member(self, room: str, user: str, *, member: bool) -> None:
        """Note whether a connected person is a member of a room."""
        for index, key, value in ((self._members, room, user), (self._rooms, user, room)):
            if member:
                index.setdefault(key, set()).add(value)
            elif key in index:
                index[key].discard(value)
                if not index[key]:
                    del index[key]

    def connected(self, user: str) -> list[Reader]:
        """The connections of one person."""
        return list(self._readers.get(user, {}).values())

    def people(self) -> list[str]:
        """Everyone connected."""
        return list(self._readers)

    def set_rooms(self, user: str, rooms: set[str]) -> set[str]:
        """Replace the rooms of a connected person; returns those that came or went."""
        changed = self._rooms.get(user, set()) ^ rooms
        for room in changed:
            self.set_member(room, user, member=room in rooms)
        return changed

    def members_here(self, room: str) -> list[str]:
        """The connected people that are members of a room."""
        return list(self._members.get(room, ()))

    def report(self, appended: Appended) -> None:
        """Tell members who have not opened a room that there is something unread in it."""
        for room, report in appended.rooms.items():
            hub = self._delivery.hub(room)
            opened = hub.subscriptions if hub is not None else {}
            written = sum(report.messages.values())
            for user in self._members.get(room, ()):
                unread = {
                    "room": room,
                    "last_seq": report.last_seq,
                    "messages": written - report.messages.get(user, 0),
                    "mentions": report.mentions.get(user, 0),
                }
                wire = msgspec.json.encode(unread)
                for reader in self._readers.get(user, {}).values():
                    if reader.id not in opened:
                        tell(reader, "unread", wire)

    def pass_on(self, personal: PersonalEvent) -> None:
        """Give every connection of a person something that is only for them."""
        for reader in self._readers.get(personal.user, {}).values():
            tell(reader, personal.event, personal.wire)


def tell(reader: Reader, event: str, wire: bytes) -> None:
    """Write an event that may be lost to one connection: nothing where it is congested."""
    frames = reader.dialect.event(event, wire)
    if frames is not None and not reader.congested:
        reader.write(frames)
