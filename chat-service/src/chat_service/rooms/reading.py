"""Reading a room's log for people: pages of entries and of folded messages, redactions masked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from chat_service.bus import Item
from chat_service.log import RoomLog
from chat_service.model.entries import REDACTING, Entry, Kind, encode
from chat_service.model.folding import Message, fold
from chat_service.model.redaction import WRITTEN, Redactions
from chat_service.model.rooms import RoomState

ACCESS_KINDS = frozenset({Kind.CREATE, Kind.JOIN, Kind.LEAVE, Kind.ROLE, Kind.SETTINGS})
"""Kinds after which somebody may read who could not, or the other way round."""

PAGE_BYTES = 256 * 1024
"""About the most that one answer to a client holds: a page of very long messages has fewer of them."""

PAGES_AT_ONCE = 4
"""Pages that a node reads at a time. Before it is cut a page can be many times PAGE_BYTES: without this bound
a client that asks for a lot of them at once, and reads none, would have all of them in memory together."""


class History(msgspec.Struct, frozen=True):
    """A page of messages, ascending, folded up to the entry `as_of` with the id `as_of_id`.

    `more` says whether there are older ones.
    """

    messages: list[Message]
    as_of: int
    as_of_id: str
    more: bool


def item(entry: Entry) -> Item:
    """An entry as readers are given it: encoded once."""
    return Item(
        seq=entry.seq,
        id=entry.id,
        ts=entry.ts,
        wire=encode(entry),
        changes_access=entry.kind in ACCESS_KINDS,
        redacts=entry.kind in REDACTING,
    )


class LogReader:
    """Reads rooms for people. Every method raises ChatError `unavailable` when the log cannot be reached."""

    def __init__(self, room_log: RoomLog) -> None:
        self._log = room_log
        self._pages = asyncio.Semaphore(PAGES_AT_ONCE)

    async def items(self, state: RoomState, after: int, limit: int) -> list[Item]:
        """Up to `limit` entries with seq > `after`, ascending, masked by everything up to the log's end.

        They are cut where they are more than PAGE_BYTES, but never to nothing.
        """
        items: list[Item] = []
        size = 0
        async with self._pages:
            for entry in await self._masked(state, await self._log.read(state.room, after, limit)):
                items.append(item(entry))
                size += len(items[-1].wire)
                if size > PAGE_BYTES:
                    break
        return items

    async def entry(self, state: RoomState, seq: int) -> Entry | None:
        """The entry at `seq`, masked; None where the log does not reach so far."""
        found = await self._log.at(state.room, [seq])
        masked = await self._masked(state, list(found.values()))
        return masked[0] if masked else None

    async def history(self, state: RoomState, first: int, before: int | None, limit: int) -> History:
        """The newest `limit` messages before the seq `before` (None: the newest of all), from `first` on.

        They are fewer where they are more than PAGE_BYTES, but never none.
        """
        async with self._pages:
            head = await self._log.head(state.room)
            end = head.seq + 1 if before is None else min(before, head.seq + 1)
            page = await self._log.messages_before(state.room, end, first - 1, limit + 1)
            messages = page[-limit:]
            related, redactions = await self._related(state, {entry.seq for entry in messages})
            related = [entry for entry in related if entry.seq <= head.seq]
            shown = _newest(fold(messages, related, redactions))
        return History(shown, head.seq, head.id, more=len(page) > len(shown))

    async def _masked(self, state: RoomState, entries: Sequence[Entry]) -> list[Entry]:
        subjects = {
            entry.seq if entry.target is None else entry.target for entry in entries if entry.kind in WRITTEN
        }
        if not subjects:
            return list(entries)
        _, redactions = await self._related(state, subjects)
        return [redactions.mask(entry) for entry in entries]

    async def _related(self, state: RoomState, seqs: set[int]) -> tuple[list[Entry], Redactions]:
        """Everything that targets the messages at `seqs`, and all that redacts them, up to the log's end."""
        related, ranges = await asyncio.gather(
            self._log.targeting(state.room, seqs),
            self._log.read_kinds(state.room, state.head.seq, [Kind.RETAIN, Kind.ERASE]),
        )
        redactions = Redactions.of([*related, *ranges])
        redactions.include(state.retained_upto, state.erased)
        return related, redactions


def _newest(messages: list[Message]) -> list[Message]:
    """The last of `messages` that fit into PAGE_BYTES, at least one."""
    size = 0
    for count, message in enumerate(reversed(messages), start=1):
        size += len(msgspec.json.encode(message))
        if size > PAGE_BYTES:
            return messages[-count:]
    return messages
