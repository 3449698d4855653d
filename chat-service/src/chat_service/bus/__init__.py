"""Node to node: what carries appended entries and hints between the nodes of one chat world.

A bus may lose, repeat and reorder whatever it carries. Nothing is true because a bus said so: what matters
is healed from the log, what is ephemeral (typing, presence) may be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec


class ToRoom(msgspec.Struct, frozen=True, array_like=True):
    """Carried to the nodes that are subscribed to `room`.

    Of every message: fields are only ever added, at the end and with a default, so that nodes of two versions
    understand each other; a `tag` is never used again.
    """

    room: str


class ToNode(msgspec.Struct, frozen=True, array_like=True):
    """Carried to the node of that name only; lost where there is none."""

    to_node: str


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


class RoomFrame(ToRoom, frozen=True, array_like=True, tag=1):
    """Entries of one room, ascending; `epoch` tells the log they belong to."""

    epoch: str
    items: tuple[Item, ...]


class Hint(ToRoom, frozen=True, array_like=True, tag=2):
    """Something ephemeral for the openers of a room (typing, read): an event and its JSON."""

    event: str
    wire: bytes
    origin: str = ""
    """The connection not to send it back to, or empty."""


class RoomChanged(msgspec.Struct, frozen=True, array_like=True, tag=3):
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


class Appended(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """What one node appended in the last second."""

    node: str
    rooms: dict[str, RoomReport]


class PersonalEvent(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Something for every connection of one person, that may be lost: an event and its JSON."""

    user: str
    event: str
    wire: bytes


class Present(msgspec.Struct, frozen=True, array_like=True):
    """Somebody who has a room open. `name` is set for people of the original protocol, who have nothing else;
    their `id` is their connection's.
    """

    id: str
    name: str = ""


class Life(msgspec.Struct, frozen=True, array_like=True):
    """One run of a node: `began` in milliseconds since 1970 tells a later one of the same name."""

    node: str
    began: int


class Attendance(ToRoom, frozen=True, array_like=True, tag=6):
    """Everyone who has a room open on one node; at most so many that they can be listed.

    `change` numbers what the node said of the room's people, ascending. `named` counts those of the original
    protocol, listed or not. Another one follows within `again_s` seconds for as long as there is anybody.
    """

    life: Life
    change: int
    people: tuple[Present, ...]
    named: int
    again_s: float


class Attended(ToRoom, frozen=True, array_like=True, tag=7):
    """Somebody came to a room on a node that had not been there on it, or went. `after` is the number of the
    node's `change` before this one; `named` as in Attendance.
    """

    life: Life
    change: int
    after: int
    person: Present
    here: bool
    named: int


class WhoAttends(ToRoom, frozen=True, array_like=True, tag=8):
    """A node that begins to serve a room asks the others for their Attendance."""

    life: Life


class AttendanceWanted(ToNode, frozen=True, array_like=True, tag=9):
    """A node missed something: it asks another one for its Attendance of `room`, or of every room it has."""

    node: str
    room: str = ""


class Alive(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """A node is there, or with `leaving` will not be any more."""

    life: Life
    leaving: bool = False


class HandOver(ToNode, frozen=True, array_like=True, tag=11):
    """Writes to `room` that one node asks another one to append. `number` ascends for each `life`; `writes` are
    for `rooms.handover` to read, and `proof` shows that a node of this world made the message.
    """

    life: Life
    number: int
    room: str
    epoch: str
    wait_ms: int
    writes: bytes
    proof: bytes


class HandOverAnswer(ToNode, frozen=True, array_like=True, tag=12):
    """What became of each write of the hand-over `number` of `life`, as far as the log says so."""

    life: Life
    number: int
    outcomes: bytes
    proof: bytes


Message = (
    RoomFrame
    | Hint
    | RoomChanged
    | Appended
    | PersonalEvent
    | Attendance
    | Attended
    | WhoAttends
    | AttendanceWanted
    | Alive
    | HandOver
    | HandOverAnswer
)


class Bus(Protocol):
    """Carries messages between nodes, a node's own included.

    `publish` never blocks and never fails: what cannot be carried is lost. What is `ToRoom` reaches only nodes
    that are subscribed to the room, what is `ToNode` that one node, everything else every node. A node's own
    messages reach it also while the bus is unwell.
    """

    @property
    def healthy(self) -> bool:
        """Whether what other nodes publish arrives here, as far as is known."""
        ...

    def listen(self, receive: Callable[[Message], None]) -> None:
        """Hand every message that arrives to `receive`, in the event loop. Called once, before `start`."""
        ...

    def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed`, in the event loop, whenever `healthy` is another; also several of them."""
        ...

    async def start(self) -> None:
        """Connect; returns also where that does not succeed, and goes on trying."""
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
