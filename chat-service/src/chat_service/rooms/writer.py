"""The writer of one room on one node: numbers what waits, appends it in batches, answers.

One batch is on its way at a time. A batch is checked against everything up to the last known entry and
inserted right behind it; an insert that does not go through whole means that another node wrote first (or
that a key is stored already): what is new is read, and every waiting write is decided again. Winning the next
seq is the proof that nothing was overlooked. tests/model explores these rules exhaustively.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import structlog

from chat_service.log import RoomLog
from chat_service.model.entries import Entry
from chat_service.model.errors import ChatError, Code, unavailable
from chat_service.model.ids import new_entry_id
from chat_service.model.redaction import Redactions, subject_of
from chat_service.model.rooms import STATE_KINDS, RoomState
from chat_service.model.writes import Write
from chat_service.observability.metrics import Metrics
from chat_service.rooms.deciding import Decision, Known, Receipt, decide
from chat_service.rooms.recent import Recent

BATCH_LIMIT = 100
"""Most entries in one append (MongoDB per cloud: larger ordered inserts meet limits somewhere)."""

CATCH_UP_PAGE = 500
"""Entries read at a time when another node has written."""

RETRY_FIRST_S, RETRY_MOST_S = 0.05, 1.0
"""Pauses between attempts while the store cannot be reached: doubled from the first to the most."""

log = structlog.get_logger()


class Followers(Protocol):
    """What has to happen with appended entries besides being stored."""

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


@dataclass(slots=True, frozen=True)
class WriterLimits:
    """How much may wait for one room, and for how long (seconds)."""

    queue_entries: int = 10_000
    timeout_s: float = 10.0

    def check(self, waiting: int) -> None:
        """Raise ChatError `overloaded` where one more would be too many."""
        if waiting >= self.queue_entries:
            raise ChatError(Code.OVERLOADED, "Too much waits for this room. Try again.", retry_after_ms=1000)


@dataclass(slots=True)
class Waiting:
    """A write in the queue: who sent it, who waits for it, and until when (event loop time)."""

    write: Write
    origin: object
    answer: asyncio.Future[Receipt]
    deadline: float
    tried: bool = False
    """Whether an insert of it went out: from then on nothing but the log can say that it is not stored."""

    @classmethod
    def now(cls, write: Write, origin: object, limits: WriterLimits) -> Waiting:
        """A write that begins to wait."""
        loop = asyncio.get_running_loop()
        return cls(write, origin, loop.create_future(), loop.time() + limits.timeout_s)

    def fail(self, problem: ChatError) -> None:
        """Refuse it for a reason that is not in the log: a tried write may yet be stored, and is told so."""
        self.resolve(_unknown() if self.tried else problem)

    def resolve(self, result: Receipt | ChatError) -> None:
        """Give the answer, unless who waited has gone."""
        if self.answer.done():
            return
        if isinstance(result, Receipt):
            self.answer.set_result(result)
        else:
            self.answer.set_exception(result)


class RoomWriter:
    """Appends to one room for one node; owns the room's folded state and its recent entries.

    `state` and `recent` are the room after `state.head`. Other parts of the node read them; only the writer
    moves them on.
    """

    def __init__(
        self,
        room_log: RoomLog,
        state: RoomState,
        followers: Followers,
        *,
        node: str,
        clock_ms: Callable[[], int],
        limits: WriterLimits,
        metrics: Metrics,
    ) -> None:
        self.state = state
        self.recent = Recent(after=state.head.seq)
        self._log = room_log
        self._followers = followers
        self._node = node
        self._clock_ms = clock_ms
        self._limits = limits
        self._metrics = metrics
        self._queue: deque[Waiting] = deque()
        self._taken = 0
        self._task: asyncio.Task[None] | None = None
        self._moving = asyncio.Lock()
        self._unprojected: dict[str, Entry] = {}
        self._pause_s = 0.0
        self._look_up_keys = not room_log.refuses_repeated_keys

    @property
    def waiting(self) -> int:
        """How many writes wait or are on their way."""
        return len(self._queue) + self._taken

    def submit(self, write: Write, origin: object) -> asyncio.Future[Receipt]:
        """Queue `write` behind everything submitted before; the future brings its receipt or a ChatError.

        `origin` tells the connection it came from: a write that fails takes the waiting ones of its origin
        with it. Raises ChatError `overloaded` where too much waits already.
        """
        waiting = Waiting.now(write, origin, self._limits)
        self.enqueue(waiting)
        return waiting.answer

    def enqueue(self, waiting: Waiting) -> None:
        """Queue what waits already; raises as `submit` does."""
        self._limits.check(self.waiting)
        self._queue.append(waiting)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name=f"writer {self.state.room}")

    async def refresh(self) -> None:
        """Bring `state` and `recent` up to the log's end, where other nodes wrote."""
        async with self._moving:
            await self._catch_up()

    async def finish(self) -> None:
        """Return once nothing waits any more."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._queue:
                await self._round()
        finally:
            self._task = None

    async def _round(self) -> None:
        batch = self._take()
        problem = ChatError(Code.OVERLOADED, "Too much is written to this room at once. Try again.")
        try:
            async with self._moving:
                await self._write(batch)
            self._pause_s = 0.0
        except ChatError as unreachable:
            problem = unreachable
            self._pause_s = min(max(self._pause_s * 2, RETRY_FIRST_S), RETRY_MOST_S)
        except Exception:  # a defect of ours: whoever waits is told, and the room goes on
            log.exception("writer.failed", room=self.state.room)
            for position, waiting in enumerate(batch):
                waiting.fail(ChatError(Code.INTERNAL, "Writing failed. Repeat it with the same key."))
                self._take_along(waiting, batch[position + 1 :])
        finally:
            self._taken = 0
        self._expire(batch, problem)
        self._queue.extendleft(waiting for waiting in reversed(batch) if not waiting.answer.done())
        if self._pause_s:
            await asyncio.sleep(self._pause_s)

    def _take(self) -> list[Waiting]:
        batch: list[Waiting] = []
        while self._queue and len(batch) < BATCH_LIMIT:
            waiting = self._queue.popleft()
            if not waiting.answer.done():
                batch.append(waiting)
        self._taken = len(batch)
        return batch

    async def _write(self, batch: list[Waiting]) -> None:
        """Decide over `batch` and insert what is accepted; what has no answer then is to be tried again."""
        decision = await self._decide(batch)
        for position, answer in decision.answers:
            if isinstance(answer, ChatError):
                batch[position].resolve(answer)
                self._take_along(batch[position], batch[position + 1 :])
        if decision.repeated:
            self._followers.publish(self.state, decision.repeated)
            await self._follow_up(decision.repeated)
        for position, answer in decision.answers:
            if isinstance(answer, Receipt):
                batch[position].resolve(answer)
        if decision.entries:
            await self._append(decision.entries, [batch[position] for position in decision.accepted])

    async def _decide(self, batch: Sequence[Waiting]) -> Decision:
        """Look up what is needed and decide; a refusal is only believed after reading the log's end.

        Without that, an insert of the same write that is still on its way could land behind an entry that
        allows it and that this node has not heard of.
        """
        writes = [waiting.write for waiting in batch]
        files = {
            (write.sender, write.key): await self._followers.claim(self.state, write)
            for write in writes
            if write.files()
        }
        keys: dict[tuple[str, str], Entry | None] = {}
        read = False
        while True:
            known = Known(keys, await self._referred(writes), files)
            decision = decide(
                self.state,
                self.recent,
                writes,
                known,
                partial(self._entry, files),
                look_up_every_key=self._look_up_keys,
            )
            if decision.unsure:
                keys.update(dict.fromkeys(decision.unsure))
                stored = await self._stored_under(decision.unsure)
                keys.update(stored)
                # One of another node that is not heard of yet: it is projected from the state behind it.
                if any(entry.seq > self.state.head.seq for entry in stored.values()) and await self._catch_up():
                    keys.clear()
            elif decision.refuses and not read:
                read = True
                if await self._catch_up():
                    keys.clear()
            else:
                return decision

    async def _referred(self, writes: Sequence[Write]) -> dict[int, Entry]:
        wanted = {seq for write in writes if (seq := write.refers_to()) is not None and seq <= self.recent.after}
        if not wanted:
            return {}
        found = await self._log.at(self.state.room, wanted)
        redactions = await self._redactions(wanted)
        return {seq: redactions.mask(entry) for seq, entry in found.items()}

    async def _stored_under(self, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], Entry]:
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

    def _entry(self, files: Mapping[tuple[str, str], Mapping[str, Any]], write: Write, seq: int) -> Entry:
        body = write.body
        if write.files():
            described = files[write.sender, write.key]
            body = {**body, "files": [described[file] for file in write.files()]}
        return Entry(
            room=self.state.room,
            seq=seq,
            id=new_entry_id(),
            kind=write.kind,
            sender=write.sender,
            key=write.key,
            digest=write.digest,
            node=self._node,
            ts=self._clock_ms(),
            target=write.target,
            body=body,
            own_key=write.own_key,
        )

    async def _append(self, decided: Sequence[Entry], accepted: Sequence[Waiting]) -> None:
        entries = await self._followers.resolve(self.state, decided)
        looked_up, self._look_up_keys = self._look_up_keys, not self._log.refuses_repeated_keys
        for waiting in accepted:
            waiting.tried = True
        try:
            with self._metrics.append_seconds.time():
                stored = await self._log.append(self.state.room, self.state.head.seq + 1, entries)
        except ChatError:
            await self._catch_up()
            raise
        if stored:
            await self._settle(entries[:stored], accepted)
        if stored == len(entries):
            return
        # Another node wrote first, or a key is stored beyond memory: the next decision looks for both.
        self._look_up_keys = True
        if not await self._catch_up() and looked_up and not stored:
            raise unavailable("The store refused an insert and shows no reason yet. Try again.")

    async def _settle(self, entries: Sequence[Entry], accepted: Sequence[Waiting]) -> None:
        self._advance(entries)
        self._followers.publish(self.state, entries)
        await self._follow_up(entries)
        for entry, waiting in zip(entries, accepted, strict=False):
            waiting.resolve(Receipt(entry.seq, entry.id, entry.ts))

    async def _follow_up(self, entries: Sequence[Entry]) -> None:
        """Have `entries` projected, and every change whose own projection may not have been: that of another
        node that stopped in between, and ours that failed and was given up.
        """
        behind = [entry for entry in self._unprojected.values() if entry not in entries]
        await self._followers.stored(self.state, [*behind, *entries])
        self._unprojected.clear()

    def _take_along(self, failed: Waiting, later: Sequence[Waiting]) -> None:
        """Fail what waits of the same origin: it was sent to stand behind the one that failed."""
        problem = ChatError(Code.ABORTED, "An earlier write of this connection failed. Send this one again.")
        for waiting in (*later, *self._queue):
            if waiting.origin is failed.origin:
                waiting.fail(problem)

    def _expire(self, batch: Sequence[Waiting], problem: ChatError) -> None:
        now = asyncio.get_running_loop().time()
        for position, waiting in enumerate(batch):
            if waiting.deadline <= now and not waiting.answer.done():
                waiting.fail(problem)
                self._take_along(waiting, batch[position + 1 :])

    async def _catch_up(self) -> bool:
        """Read what other nodes appended; return whether there was anything."""
        any_new = False
        while True:
            new = await self._log.read(self.state.room, self.state.head.seq, CATCH_UP_PAGE)
            if not new:
                return any_new
            any_new = True
            self._advance(new)
            # Ours were inserted without our hearing of it: nobody else tells the readers.
            ours = [entry for entry in new if entry.node == self._node]
            if ours:
                self._followers.publish(self.state, ours)

    def _advance(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.state.apply(entry)
            if entry.kind in STATE_KINDS:
                # The last one about somebody is enough: rows are written as folded now.
                self._unprojected[entry.body.get("user", entry.kind)] = entry
        self.recent.add(entries)


def _unknown() -> ChatError:
    return unavailable("It is not known yet whether this was stored. Repeat it with the same key.")
