"""The append-only room log: what every adapter of it must do.

Two entries of a room never share a seq, whoever writes: that is the only thing the writer relies on
(DESIGN: appending). Everything is read as stored; who may see what, and what is redacted, is decided above.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from chat_service.model.entries import Entry, Head, Kind


class Thread(msgspec.Struct, frozen=True):
    """What hangs on one message: how many replies that were not deleted, and when the last of all was made.

    `last_ts` is in milliseconds since 1970; it never goes back.
    """

    replies: int
    last_ts: int


class Activity(msgspec.Struct, frozen=True):
    """What somebody missed in a room: messages by others, and when the newest of all was written.

    `last_ts` is in milliseconds since 1970, None where nothing was ever said.
    """

    unread: int
    last_ts: int | None


class RoomLog(Protocol):
    """The log of every room in one store. All methods raise ChatError `unavailable` when it cannot be reached."""

    @property
    def refuses_repeated_keys(self) -> bool:
        """Whether a unique index keeps (room, sender, key) single: then keys need no look-up before an insert."""
        ...

    async def append(self, room: str, first: int, entries: Sequence[Entry]) -> int:
        """Store `entries` as `first`, `first + 1`, … and return how many were stored: a prefix.

        Less than all means that a seq was taken, or a key where `refuses_repeated_keys`; which of them is
        found out by reading. After `unavailable` the outcome is unknown.
        """
        ...

    async def head(self, room: str) -> Head:
        """The last entry's seq and id; `EMPTY` where the room has no entries."""
        ...

    async def heads(self, rooms: Collection[str]) -> dict[str, Head]:
        """`head` of several rooms; rooms without entries are left out."""
        ...

    async def read(self, room: str, after: int, limit: int) -> list[Entry]:
        """Up to `limit` entries with seq > `after`, ascending, without a hole between them."""
        ...

    async def read_kinds(self, room: str, after: int, kinds: Collection[Kind]) -> list[Entry]:
        """Every entry of these (rare) kinds with seq > `after`, ascending."""
        ...

    async def changes(self, room: str, after: int, upto: int, kinds: Collection[Kind], limit: int) -> list[Entry]:
        """The newest `limit` entries of these (rare) kinds with `after` < seq <= `upto`, ascending."""
        ...

    async def messages_before(
        self, room: str, before: int, after: int, limit: int, thread: int | None = None
    ) -> list[Entry]:
        """The newest `limit` messages with `after` < seq < `before`, ascending.

        Those of the room itself, or with `thread` the replies in the thread that hangs on that message.
        """
        ...

    async def messages_after(self, room: str, after: int, limit: int) -> list[Entry]:
        """The oldest `limit` messages of the room itself with seq > `after`, ascending."""
        ...

    async def threads(self, room: str, messages: Collection[int], upto: int) -> dict[int, Thread]:
        """The threads that hang on these messages as they were at seq `upto`, those with a reply left."""
        ...

    async def activity(self, user: str, rooms: Mapping[str, int], most: int) -> dict[str, Activity]:
        """What `user` missed in each room after the seq given with it, counted up to `most`.

        Messages of the rooms themselves count: no replies in threads, none that were overwritten.
        """
        ...

    async def at(self, room: str, seqs: Collection[int]) -> dict[int, Entry]:
        """The entries at these seqs, those that exist."""
        ...

    async def targeting(self, room: str, targets: Collection[int], upto: int | None = None) -> list[Entry]:
        """Every entry that changes one of `targets`, ascending; up to seq `upto`, or to the log's end.

        Replies in their threads change nothing about them.
        """
        ...

    async def by_keys(self, room: str, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], Entry]:
        """The entries stored under these (sender, key) pairs, those that exist."""
        ...

    async def overwrite(self, room: str, seqs: Collection[int]) -> None:
        """Replace the bodies at these seqs with nothing and mark them redacted. Idempotent; seqs stay."""
        ...

    async def written_by(self, room: str, sender: str, after: int, upto: int, limit: int) -> list[int]:
        """Seqs of messages and edits of `sender` with `after` < seq <= `upto`, ascending, not yet overwritten.

        With sender "" those of everybody.
        """
        ...

    async def changed_rooms(self, after: str, limit: int) -> list[tuple[str, int]]:
        """Rooms by id, beyond the id `after`, each with the seq of its last entry that changes a room."""
        ...

    async def redactions(self, room: str, after: int, limit: int) -> list[Entry]:
        """Up to `limit` entries that redact (deletion, retention, erasure) with seq > `after`, ascending."""
        ...

    async def redacted_rooms(self, after: str, limit: int) -> list[tuple[str, int]]:
        """Rooms by id, beyond the id `after`, each with the seq of its last entry that redacts."""
        ...
