"""Presence: who has a room open right now, on this node."""

from __future__ import annotations

from collections import Counter
from typing import Generic, TypeVar

Who = TypeVar("Who")

ONLINE_MOST = 1000
"""Most people that an answer names as present: presence is for looking at, not for counting crowds."""


class Presence(Generic[Who]):
    """Counts the connections of everyone in a room; somebody is present while one of theirs is.

    It is derived from connections alone and never stored: after a restart it is what the connections say.
    """

    def __init__(self) -> None:
        self._rooms: dict[str, dict[str, Who]] = {}
        self._people: dict[str, Counter[Who]] = {}

    def enter(self, room: str, connection: str, who: Who) -> bool:
        """Note that a connection has the room open; True where `who` was not present before."""
        self.leave(room, connection)
        self._rooms.setdefault(room, {})[connection] = who
        people = self._people.setdefault(room, Counter())
        people[who] += 1
        return people[who] == 1

    def leave(self, room: str, connection: str) -> Who | None:
        """Note that a connection has not; returns who is gone with it, None where they are still present."""
        there = self._rooms.get(room, {})
        if connection not in there:
            return None
        who = there.pop(connection)
        people = self._people[room]
        people[who] -= 1
        if people[who]:
            return None
        del people[who]
        if not there:
            del self._rooms[room], self._people[room]
        return who

    def present(self, room: str) -> list[Who]:
        """Everyone in the room, each once, in the order they came."""
        return list(self._people.get(room, ()))
