"""Presence: who has a room open right now, on this node."""

from __future__ import annotations

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

    def enter(self, room: str, connection: str, who: Who) -> bool:
        """Note that a connection has the room open; True where `who` was not present before."""
        there = self._rooms.setdefault(room, {})
        first = who not in there.values()
        there[connection] = who
        return first

    def leave(self, room: str, connection: str) -> Who | None:
        """Note that a connection has not; returns who is gone with it, None where they are still present."""
        there = self._rooms.get(room, {})
        who = there.pop(connection, None)
        if not there:
            self._rooms.pop(room, None)
        return who if who is not None and who not in there.values() else None

    def present(self, room: str) -> list[Who]:
        """Everyone in the room, each once, in the order they came."""
        return list(dict.fromkeys(self._rooms.get(room, {}).values()))
