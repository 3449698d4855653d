"""Reading a room's log for people: pages of entries and of folded messages, redactions masked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from chat_service.bus import Item
from chat_service.log import RoomLog
from chat_service.model.entries import REDACTING, Entry, Head, Kind, encode, wire
from chat_service.model.errors import not_found
from chat_service.model.folding import Message, fold
from chat_service.model.redaction import WRITTEN, Redactions, subject_of
from chat_service.model.rooms import RoomState
from chat_service.rooms.backoff import overloaded

ACCESS_KINDS = frozenset({Kind.CREATE, Kind.JOIN, Kind.LEAVE, Kind.ROLE, Kind.SETTINGS})
"""Kinds after which somebody may read who could not, or the other way round."""

SHOWN_CHANGES = frozenset({Kind.CREATE, Kind.JOIN, Kind.LEAVE, Kind.ROLE, Kind.TOPIC, Kind.NAME, Kind.PIN})
"""Kinds that people are shown between the messages."""

CHANGES_MOST = 200
"""Most changes of a room that a page of messages comes with, the newest."""

PAGE_BYTES = 256 * 1024
"""About the most that one answer to a client holds: a page of very long messages has fewer of them."""

PAGES_AT_ONCE = 4
"""Pages that a node reads at a time. Before it is cut a page can be many times PAGE_BYTES: without this bound
a client that asks for a lot of them at once, and reads none, would have all of them in memory together."""

PAGES_WAITING = 2000
"""Pages that wait for their turn on a node; who asks for more is told to come later."""

PAGE_WAIT_S = 5.0
"""How long one waits for its turn: longer only where the store is much too slow, and then nobody is helped."""


class Span(msgspec.Struct, frozen=True):
    """Which messages a page is to hold: those before a seq, after one, or around one; else the newest."""

    before: int | None = None
    after: int | None = None
    around: int | None = None
    changes: bool = False
    """Whether the changes of the room between them are asked for too."""


class History(msgspec.Struct, frozen=True):
    """A page of messages, ascending, folded up to the entry `as_of` with the id `as_of_id`.

    `more` says whether there are older ones, `newer` whether there are newer ones. `changes` are the entries
    of SHOWN_CHANGES in this stretch of the log, where they were asked for.
    """

    messages: list[Message]
    as_of: int
    as_of_id: str
    more: bool
    newer: bool = False
    changes: list[dict[str, Any]] | None = None


class ThreadPage(msgspec.Struct, frozen=True):
    """A thread: the message it hangs on and a page of its replies, ascending; `more`: there are older ones."""

    root: Message
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
    """Reads rooms for people. Every method raises ChatError `unavailable` when the log cannot be reached.

    `first` is the first seq that who asks may read.
    """

    def __init__(self, room_log: RoomLog) -> None:
        self._log = room_log
        self._pages = asyncio.Semaphore(PAGES_AT_ONCE)
        self._waiting = 0

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait for the turn to read a page; raises ChatError `overloaded` where too much waits, or too long."""
        if self._waiting >= PAGES_WAITING:
            raise overloaded("Too much is read on this node at once. Try again.")
        self._waiting += 1
        try:
            async with asyncio.timeout(PAGE_WAIT_S):
                await self._pages.acquire()
        except TimeoutError:
            raise overloaded("The store is too slow for what is read from it. Try again.") from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._pages.release()

    async def items(self, state: RoomState, after: int, limit: int) -> list[Item]:
        """Up to `limit` entries with seq > `after`, ascending, masked by everything up to the log's end.

        They are cut where they are more than PAGE_BYTES, but never to nothing.
        """
        items: list[Item] = []
        size = 0
        async with self._turn():
            for entry in await self._masked(state, await self._log.read(state.room, after, limit)):
                items.append(item(entry))
                size += len(items[-1].wire)
                if size > PAGE_BYTES:
                    break
        return items

    async def entries(self, state: RoomState, after: int, limit: int) -> list[Entry]:
        """Up to `limit` entries with seq > `after`, ascending, masked, of any size: for the service itself."""
        async with self._pages:
            return await self._masked(state, await self._log.read(state.room, after, limit))

    async def entry(self, state: RoomState, seq: int) -> Entry | None:
        """The entry at `seq`, masked; None where the log does not reach so far."""
        found = await self._log.at(state.room, [seq])
        masked = await self._masked(state, list(found.values()))
        return masked[0] if masked else None

    async def history(self, state: RoomState, first: int, span: Span, limit: int) -> History:
        """At most `limit` messages of the room itself; fewer where they are more than PAGE_BYTES, never none."""
        async with self._turn():
            head = await self._log.head(state.room)
            if span.after is not None:
                page = await self._after(state, first, head, span.after, limit)
            elif span.around is not None:
                page = await self._around(state, first, head, span.around, limit)
            else:
                page = await self._before(state, first, head, span.before, limit)
            if not span.changes:
                return page
            changes = await self._changes(state, first, span, page)
        return msgspec.structs.replace(page, changes=changes)

    async def thread(self, state: RoomState, first: int, root: int, before: int | None, limit: int) -> ThreadPage:
        """The newest replies before a seq (None: of all) in the thread on the message `root`.

        Raises `not_found` where there is no such message, or it is a reply itself.
        """
        async with self._turn():
            head = await self._log.head(state.room)
            found = (await self._log.at(state.room, [root])).get(root)
            if found is None or found.kind is not Kind.MESSAGE or found.target is not None or root < first:
                raise not_found(f"There is no thread on message {root}.")
            end = head.seq + 1 if before is None else min(before, head.seq + 1)
            page = await self._log.messages_before(state.room, end, first - 1, limit + 1, thread=root)
            shown = _newest(await self._folded(state, head, page[-limit:]), PAGE_BYTES)
            [message] = await self._folded(state, head, [found])
        return ThreadPage(message, shown, head.seq, head.id, more=len(page) > len(shown))

    async def messages(self, state: RoomState, first: int, seqs: Sequence[int]) -> tuple[list[Message], Head]:
        """Those messages at `seqs` that can be shown, in that order, and the entry they are folded up to.

        They are cut where they are more than PAGE_BYTES.
        """
        async with self._turn():
            head = await self._log.head(state.room)
            found = await self._log.at(state.room, [seq for seq in seqs if seq >= first])
            folded = await self._folded(state, head, list(found.values()))
        by_seq = {message.seq: message for message in folded if not message.redacted}
        return _oldest([by_seq[seq] for seq in seqs if seq in by_seq], PAGE_BYTES), head

    async def all_messages(self, state: RoomState, seqs: Sequence[int]) -> list[Message]:
        """Those messages at `seqs` that nobody took away, whatever their size: for the service itself."""
        async with self._turn():
            head = await self._log.head(state.room)
            found = await self._log.at(state.room, seqs)
            folded = await self._folded(state, head, list(found.values()))
        return [message for message in folded if not message.redacted]

    async def _before(self, state: RoomState, first: int, head: Head, before: int | None, limit: int) -> History:
        end = head.seq + 1 if before is None else min(before, head.seq + 1)
        page = await self._log.messages_before(state.room, end, first - 1, limit + 1)
        shown = _newest(await self._folded(state, head, page[-limit:]), PAGE_BYTES)
        return History(shown, head.seq, head.id, more=len(page) > len(shown))

    async def _after(self, state: RoomState, first: int, head: Head, after: int, limit: int) -> History:
        start = max(after, first - 1)
        page = await self._log.messages_after(state.room, start, limit + 1)
        known = [entry for entry in page[:limit] if entry.seq <= head.seq]
        shown = _oldest(await self._folded(state, head, known), PAGE_BYTES)
        older = await self._log.messages_before(state.room, start + 1, first - 1, 1)
        return History(shown, head.seq, head.id, more=bool(older), newer=len(page) > len(shown))

    async def _around(self, state: RoomState, first: int, head: Head, around: int, limit: int) -> History:
        # Half of each, and where one side is short more of the other. The asked for is the first of the newer.
        older = await self._log.messages_before(state.room, around, first - 1, limit + 1)
        newer = await self._log.messages_after(state.room, max(around, first) - 1, limit + 1)
        known = [entry for entry in newer[: limit - min(len(older), limit // 2)] if entry.seq <= head.seq]
        before = older[max(0, len(older) - (limit - len(known))) :]
        folded = await self._folded(state, head, [*before, *known])
        left = _newest([message for message in folded if message.seq < around], PAGE_BYTES // 2)
        right = _oldest([message for message in folded if message.seq >= around], PAGE_BYTES // 2)
        return History(
            [*left, *right], head.seq, head.id, more=len(older) > len(left), newer=len(newer) > len(right)
        )

    async def _changes(self, state: RoomState, first: int, span: Span, page: History) -> list[dict[str, Any]]:
        """What changed in the stretch of the log that a page stands for: pages side by side leave none out."""
        start, end = first - 1, page.as_of
        if span.after is not None:
            start = max(start, span.after)
        elif page.more and page.messages:
            start = page.messages[0].seq
        if page.newer and page.messages:
            end = page.messages[-1].seq
        elif span.before is not None:
            end = min(end, span.before - 1)
        found = await self._log.changes(state.room, start, end, SHOWN_CHANGES, CHANGES_MOST)
        return [wire(entry) for entry in found]

    async def _folded(self, state: RoomState, head: Head, entries: Sequence[Entry]) -> list[Message]:
        """Messages as they look at `head`."""
        seqs = {entry.seq for entry in entries}
        (related, redactions), threads = await asyncio.gather(
            self._related(state, seqs), self._log.threads(state.room, seqs, head.seq)
        )
        messages = fold(entries, [entry for entry in related if entry.seq <= head.seq], redactions)
        for message in messages:
            if message.seq in threads:
                message.replies = threads[message.seq].replies
                message.last_reply_ts = threads[message.seq].last_ts
        return messages

    async def _masked(self, state: RoomState, entries: Sequence[Entry]) -> list[Entry]:
        subjects = {subject_of(entry) for entry in entries if entry.kind in WRITTEN}
        if not subjects:
            return list(entries)
        _, redactions = await self._related(state, subjects)
        return [redactions.mask(entry) for entry in entries]

    async def _related(self, state: RoomState, seqs: set[int]) -> tuple[list[Entry], Redactions]:
        """Everything that changes the messages at `seqs`, and all that redacts them, up to the log's end.

        However often a message was edited: a page has few messages, a person writes as fast as their rate
        limit lets them, and PAGES_AT_ONCE bounds how much of it is in memory. A limit here would show people
        an old text, one when writing would need a count that no store has in common.
        """
        related, ranges = await asyncio.gather(
            self._log.targeting(state.room, seqs),
            self._log.read_kinds(state.room, state.head.seq, [Kind.RETAIN, Kind.ERASE]),
        )
        redactions = Redactions.of([*related, *ranges])
        redactions.include(state.retained_upto, state.erased)
        return related, redactions


def _newest(messages: list[Message], most: int) -> list[Message]:
    """The last of `messages` that fit into `most` bytes, at least one."""
    count = _fitting(reversed(messages), most)
    return messages[len(messages) - count :]


def _oldest(messages: list[Message], most: int) -> list[Message]:
    """The first of `messages` that fit into `most` bytes, at least one."""
    return messages[: _fitting(messages, most)]


def _fitting(messages: Iterable[Message], most: int) -> int:
    """How many of `messages` fill `most` bytes, at least one."""
    size = fitting = 0
    for message in messages:
        size += len(msgspec.json.encode(message))
        fitting += 1
        if size > most:
            break
    return fitting
