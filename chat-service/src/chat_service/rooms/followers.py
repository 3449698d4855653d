"""The followers of a writer: what has to happen with appended entries besides being stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from chat_service.model.entries import Entry
from chat_service.model.rooms import RoomState
from chat_service.model.writes import Write


class Followers(Protocol):
    """Tells readers, keeps the directory up to date, and knows what the log does not say."""

    def epoch(self, state: RoomState) -> str:
        """The room's epoch: which log its entries are of."""
        ...

    async def stored(self, state: RoomState, entries: Sequence[Entry]) -> None:
        """Project membership changes. Awaited before the ack; raises ChatError where it must be repeated.

        `entries` hold every change since it last returned: a projection says that nothing before it is missing.
        """
        ...

    def publish(self, state: RoomState, entries: Sequence[Entry]) -> None:
        """Tell the readers. Never waits, never fails."""
        ...

    async def claim(self, state: RoomState, write: Write) -> Mapping[str, Any]:
        """Reserve the files that a message brings; returns how those are described that it may bring."""
        ...

    async def resolve(self, state: RoomState, entries: Sequence[Entry]) -> list[Entry]:
        """Complete what only the server can say about messages: whom they mention."""
        ...
