"""A room log in memory: the plainest thing that keeps the contract, for tests that interleave its calls."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from chat_service.log import Activity, Thread
from chat_service.model.entries import EMPTY, REDACTING, TARGETING, Entry, Head, Kind
from chat_service.model.redaction import WRITTEN
from chat_service.model.rooms import STATE_KINDS


class MemoryLog:
    """`RoomLog` on a dictionary of lists; with `refuses_repeated_keys` it has the unique index too."""

    def __init__(self, *, refuses_repeated_keys: bool = True) -> None:
        self.refuses_repeated_keys = refuses_repeated_keys
        self.rooms: dict[str, list[Entry]] = {}

    def insert(self, room: str, entries: Sequence[Entry]) -> int:
        """Append what still fits, one after the other, as an ordered bulk insert does; how many did."""
        stored = self.rooms.setdefault(room, [])
        for count, entry in enumerate(entries):
            repeated = any((one.sender, one.key) == (entry.sender, entry.key) for one in stored)
            if entry.seq != len(stored) + 1 or (self.refuses_repeated_keys and repeated):
                return count
            stored.append(entry)
        return len(entries)

    def entries(self, room: str) -> list[Entry]:
        """The log of a room as it is now."""
        return list(self.rooms.get(room, ()))

    async def append(self, room: str, first: int, entries: Sequence[Entry]) -> int:
        """See RoomLog."""
        if any(entry.room != room or entry.seq != first + at for at, entry in enumerate(entries)):
            raise ValueError("entries must be of the room and numbered from `first` on")
        return self.insert(room, entries)

    async def head(self, room: str) -> Head:
        """See RoomLog."""
        return (await self.heads([room])).get(room, EMPTY)

    async def heads(self, rooms: Collection[str]) -> dict[str, Head]:
        """See RoomLog."""
        lasts = {room: self.rooms[room][-1] for room in rooms if self.rooms.get(room)}
        return {room: Head(last.seq, last.id) for room, last in lasts.items()}

    async def read(self, room: str, after: int, limit: int) -> list[Entry]:
        """See RoomLog."""
        return self.entries(room)[after : after + limit]

    async def read_kinds(self, room: str, after: int, kinds: Collection[Kind]) -> list[Entry]:
        """See RoomLog."""
        if not set(kinds) <= STATE_KINDS:
            raise ValueError("only the kinds that change a room are rare enough to be read by kind")
        return [entry for entry in self.entries(room)[after:] if entry.kind in kinds]

    async def changes(self, room: str, after: int, upto: int, kinds: Collection[Kind], limit: int) -> list[Entry]:
        """See RoomLog."""
        return [entry for entry in await self.read_kinds(room, after, kinds) if entry.seq <= upto][-limit:]

    async def messages_before(
        self, room: str, before: int, after: int, limit: int, thread: int | None = None
    ) -> list[Entry]:
        """See RoomLog."""
        return [one for one in self._messages(room, thread) if after < one.seq < before][-limit:]

    async def messages_after(self, room: str, after: int, limit: int) -> list[Entry]:
        """See RoomLog."""
        return [one for one in self._messages(room, None) if one.seq > after][:limit]

    async def threads(self, room: str, messages: Collection[int], upto: int) -> dict[int, Thread]:
        """See RoomLog."""
        deleted = {one.target for one in self.entries(room)[:upto] if one.kind is Kind.DELETE}
        found = {}
        for seq in messages:
            replies = [one for one in self._messages(room, seq) if one.seq <= upto]
            left = sum(1 for one in replies if one.seq not in deleted)
            if left:
                found[seq] = Thread(left, max(one.ts for one in replies))
        return found

    async def activity(self, user: str, rooms: Mapping[str, int], most: int) -> dict[str, Activity]:
        """See RoomLog."""
        found = {}
        for room, after in rooms.items():
            said = self._messages(room, None)
            missed = [one for one in said if one.seq > after and one.sender != user and not one.redacted]
            found[room] = Activity(min(len(missed), most), said[-1].ts if said else None)
        return found

    def _messages(self, room: str, thread: int | None) -> list[Entry]:
        return [one for one in self.entries(room) if one.kind is Kind.MESSAGE and one.target == thread]

    async def at(self, room: str, seqs: Collection[int]) -> dict[int, Entry]:
        """See RoomLog."""
        return {entry.seq: entry for entry in self.entries(room) if entry.seq in seqs}

    async def targeting(self, room: str, targets: Collection[int], upto: int | None = None) -> list[Entry]:
        """See RoomLog."""
        return [
            entry for entry in self.entries(room)[:upto] if entry.kind in TARGETING and entry.target in targets
        ]

    async def by_keys(self, room: str, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], Entry]:
        """See RoomLog."""
        stored = {(entry.sender, entry.key): entry for entry in self.entries(room)}
        return {key: stored[key] for key in keys if key in stored}

    async def overwrite(self, room: str, seqs: Collection[int]) -> None:
        """See RoomLog."""
        stored = self.rooms.get(room, [])
        for seq in seqs:
            if 0 < seq <= len(stored):
                stored[seq - 1] = msgspec.structs.replace(stored[seq - 1], body={}, redacted=True)

    async def written_by(self, room: str, sender: str, after: int, upto: int, limit: int) -> list[int]:
        """See RoomLog."""
        found = [entry for entry in self.entries(room)[after:upto] if entry.kind in WRITTEN and not entry.redacted]
        return [entry.seq for entry in found if sender in {"", entry.sender}][:limit]

    async def changed_rooms(self, after: str, limit: int) -> list[tuple[str, int]]:
        """See RoomLog."""
        return self._last_of(STATE_KINDS, after, limit)

    async def redactions(self, room: str, after: int, limit: int) -> list[Entry]:
        """See RoomLog."""
        return [entry for entry in self.entries(room)[after:] if entry.kind in REDACTING][:limit]

    async def redacted_rooms(self, after: str, limit: int) -> list[tuple[str, int]]:
        """See RoomLog."""
        return self._last_of(REDACTING, after, limit)

    def _last_of(self, kinds: Collection[Kind], after: str, limit: int) -> list[tuple[str, int]]:
        lasts = {
            room: max((entry.seq for entry in stored if entry.kind in kinds), default=0)
            for room, stored in self.rooms.items()
            if room > after
        }
        return sorted((room, seq) for room, seq in lasts.items() if seq)[:limit]
