"""A room as this node has read it: folded and with its newest entries, brought up to the log's end on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from chat_service.log import RoomLog
from chat_service.model.entries import Entry, Head
from chat_service.model.errors import unavailable
from chat_service.model.redaction import Redactions, subject_of
from chat_service.model.rooms import STATE_KINDS, RoomState
from chat_service.model.writes import Write
from chat_service.rooms.recent import Recent

CATCH_UP_PAGE = 500
"""Entries read at a time where other nodes have written; where they wrote more, only the newest of them are."""


class Picture:
    """The room after `state.head`. `found` is given this node's own entries that it reads in the log, of which
    it had not heard that they were stored.
    """

    def __init__(
        self, room_log: RoomLog, state: RoomState, node: str, found: Callable[[Sequence[Entry]], None]
    ) -> None:
        self.state = state
        self.recent = Recent(after=state.head.seq)
        self.last_node = ""
        """The node that wrote the last entry; empty where it was not read."""
        self.unprojected: dict[str, Entry] = {}
        """The latest change about each person or setting that may not be in the directory yet."""
        self._log = room_log
        self._node = node
        self._found = found

    def advance(self, entries: Sequence[Entry]) -> None:
        """Take the next entries of the log in."""
        for entry in entries:
            self.state.apply(entry)
        self._note_changes(entries)
        self.recent.add(entries)
        self.last_node = entries[-1].node

    async def catch_up(self) -> bool:
        """Read what was appended up to the log's end as it is now; returns whether there was anything.

        However fast others write, this ends: what is appended meanwhile is left for the next time.
        """
        new = await self._log.read(self.state.room, self.state.head.seq, CATCH_UP_PAGE)
        if not new:
            return False
        self._take(new)
        if len(new) >= CATCH_UP_PAGE:
            end = await self._log.head(self.state.room)
            if end.seq - self.state.head.seq > CATCH_UP_PAGE:
                await self._skip_to(end.seq)
            elif end.seq > self.state.head.seq:
                self._take(await self._log.read(self.state.room, self.state.head.seq, CATCH_UP_PAGE))
        return True

    def _take(self, new: Sequence[Entry]) -> None:
        self.advance(new)
        ours = [entry for entry in new if entry.node == self._node]
        if ours:
            self._found(ours)

    async def _skip_to(self, end: int) -> None:
        """Go on from a page before `end`; of what lies between only what changes the room is read.

        Entries of ours among them need no telling: others follow, and every hub fills the gap before these.
        """
        room, start = self.state.room, end - CATCH_UP_PAGE
        changes, page = await asyncio.gather(
            self._log.read_kinds(room, self.state.head.seq, STATE_KINDS),
            self._log.read(room, start, CATCH_UP_PAGE),
        )
        if not page or page[0].seq != start + 1:
            raise unavailable("The log does not show its last entries yet. Try again.")
        between = [entry for entry in changes if entry.seq <= start]
        self.state.catch_up(between, Head(start, ""))
        self._note_changes(between)
        self.recent = Recent(after=start)
        self._take(page)

    def _note_changes(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.kind in STATE_KINDS:
                # The last one about somebody is enough: rows are written as folded now.
                self.unprojected[entry.body.get("user", entry.kind)] = entry

    # -- beyond memory --------------------------------------------------------------------------------

    async def referred(self, writes: Sequence[Write]) -> Mapping[int, Entry]:
        """The messages that `writes` refer to and that are not in memory, masked."""
        wanted = {seq for write in writes if (seq := write.refers_to()) is not None and seq <= self.recent.after}
        if not wanted:
            return {}
        found = await self._log.at(self.state.room, wanted)
        redactions = await self._redactions(wanted)
        return {seq: redactions.mask(entry) for seq, entry in found.items()}

    async def stored_under(self, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], Entry]:
        """The entries under these keys, masked: a repeat is published again, and its body may be redacted."""
        found = await self._log.by_keys(self.state.room, keys)
        if not found:
            return found
        redactions = await self._redactions({subject_of(entry) for entry in found.values()})
        return {key: redactions.mask(entry) for key, entry in found.items()}

    async def _redactions(self, subjects: Collection[int]) -> Redactions:
        redactions = Redactions.of(await self._log.targeting(self.state.room, subjects))
        redactions.include(self.state.retained_upto, self.state.erased)
        return redactions
