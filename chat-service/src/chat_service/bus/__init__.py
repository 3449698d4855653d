"""Node to node: what carries appended entries and hints between the nodes of one chat world.

A bus may lose, repeat and reorder whatever it carries. Nothing is true because a bus said so: what matters
is healed from the log, what is ephemeral (typing, presence) may be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec


class Item(msgspec.Struct, frozen=True, array_like=True):
    """One appended entry on its way to readers: `wire` is its JSON, encoded once for every socket.

    `changes_access` is set for kinds that change who may read; `redacts` for those that take earlier bodies
    out of view.
    """

    seq: int
    id: str
    ts: int
    wire: bytes
    changes_access: bool = False
    redacts: bool = False


class RoomFrame(msgspec.Struct, frozen=True, array_like=True):
    """Entries of one room, ascending; `epoch` tells the log they belong to."""

    room: str
    epoch: str
    items: tuple[Item, ...]


class Hint(msgspec.Struct, frozen=True, array_like=True):
    """Something ephemeral for the openers of a room (typing, presence, read): an event and its JSON."""

    room: str
    event: str
    wire: bytes
    origin: str = ""
    """The connection not to send it back to, or empty."""


class RoomChanged(msgspec.Struct, frozen=True, array_like=True):
    """The room lists of `users` changed, or with `everyone` of all members: who serves them looks it up.

    `seq` is how far the room's log reached then.
    """

    room: str
    users: tuple[str, ...] = ()
    everyone: bool = False
    seq: int = 0


class RoomReport(msgspec.Struct, frozen=True, array_like=True):
    """What was written to one room: its last seq, messages of the room itself by sender, mentions by person."""

    last_seq: int
    messages: dict[str, int]
    mentions: dict[str, int]


class Appended(msgspec.Struct, frozen=True, array_like=True):
    """What one node appended in the last second."""

    node: str
    rooms: dict[str, RoomReport]


class PersonalEvent(msgspec.Struct, frozen=True, array_like=True):
    """Something for every connection of one person, that may be lost: an event and its JSON."""

    user: str
    event: str
    wire: bytes


Message = RoomFrame | Hint | RoomChanged | Appended | PersonalEvent


class Bus(Protocol):
    """Carries messages between nodes, a node's own included.

    `publish` never blocks and never fails: what cannot be carried is lost. Room frames and hints reach only
    nodes that are subscribed to the room, everything else reaches every node.
    """

    healthy: bool

    def listen(self, receive: Callable[[Message], None]) -> None:
        """Hand every message that arrives to `receive`, in the event loop. Called once, before `start`."""
        ...

    async def start(self) -> None:
        """Connect."""
        ...

    async def stop(self) -> None:
        """Disconnect; nothing arrives afterwards."""
        ...

    def publish(self, message: Message) -> None:
        """Send `message` to the nodes it concerns."""
        ...

    async def subscribe(self, room: str) -> None:
        """Return once what is published to `room` from now on arrives here (or the bus is unwell)."""
        ...

    async def unsubscribe(self, room: str) -> None:
        """Stop receiving what is published to `room`."""
        ...
