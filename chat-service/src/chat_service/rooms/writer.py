"""The writer of one room on one node: numbers what waits, appends it in batches, answers.

One batch is on its way at a time. A batch is checked against everything up to the last known entry and
inserted right behind it; an insert that does not go through whole means that another node wrote first (or
that a key is stored already): what is new is read, and every waiting write is decided again. Winning the next
seq is the proof that nothing was overlooked. Who loses again and again hands its batches over to the node that
wins. tests/model explores these rules exhaustively.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog

from chat_service.log import RoomLog
from chat_service.model.entries import Entry
from chat_service.model.errors import ChatError, Code, unavailable
from chat_service.model.ids import new_entry_id
from chat_service.model.rooms import RoomState
from chat_service.model.writes import Write
from chat_service.observability.metrics import Metrics
from chat_service.rooms.backoff import Backoff, overloaded
from chat_service.rooms.deciding import Decision, Known, Receipt, decide
from chat_service.rooms.followers import Followers
from chat_service.rooms.handover import Handovers, Races
from chat_service.rooms.picture import Picture
from chat_service.rooms.waiting import Doubts, Waiting, WriterLimits, not_answering

BATCH_LIMIT = 100
"""Most entries in one append (MongoDB per cloud: larger ordered inserts meet limits somewhere)."""

RETRY_FIRST_S, RETRY_MOST_S = 0.05, 1.0
"""Pauses between attempts while the store cannot be reached: from the first to the most."""

SLOW_S = 0.5
"""A round that takes longer waits for the store: then that is why others behind it are not written."""

log = structlog.get_logger()


class RoomWriter:
    """Appends to one room for one node; owns the node's picture of the room.

    Other parts of the node read `picture`; only the writer moves it on. Without `handovers` it hands nothing
    over.
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
        handovers: Handovers | None = None,
    ) -> None:
        self.picture = Picture(room_log, state, node, self._found)
        self._log = room_log
        self._followers = followers
        self._node = node
        self._clock_ms = clock_ms
        self._limits = limits
        self._metrics = metrics
        self._handovers = handovers
        self._queue: deque[Waiting] = deque()
        self._batch: list[Waiting] = []
        self._began = 0.0
        self._task: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._moving = asyncio.Lock()
        self._backoff = Backoff(RETRY_FIRST_S, RETRY_MOST_S)
        self._pause_s = 0.0
        self._races = Races()
        self._doubts = Doubts()
        self._behind = False
        self._retired = False
        self._look_up_keys = not room_log.refuses_repeated_keys

    @property
    def state(self) -> RoomState:
        """The room after the last entry that this node knows."""
        return self.picture.state

    @property
    def epoch(self) -> str:
        """Which log the room's entries are of."""
        return self._followers.epoch(self.state)

    @property
    def waiting(self) -> int:
        """How many writes wait or are on their way."""
        return len(self._queue) + len(self._batch)

    @property
    def in_use(self) -> bool:
        """Whether it has something to do, or something to remember of connections that live."""
        return self._task is not None or bool(self._doubts)

    def submit(self, write: Write, origin: object) -> asyncio.Future[Receipt]:
        """Queue `write` behind everything submitted before; the future brings its receipt or a ChatError.

        `origin` tells the connection it came from: a write that fails takes the waiting ones of its origin
        with it. Raises ChatError `overloaded` where too much waits already, `aborted` where an earlier write
        of `origin` has to be repeated first.
        """
        waiting = Waiting.now(write, origin, self._limits)
        self.enqueue(waiting)
        return waiting.answer

    def enqueue(self, waiting: Waiting) -> None:
        """Queue what waits already; raises as `submit` does."""
        if self._retired:
            raise _replaced()
        self._limits.check(self.waiting)
        self._doubts.admit(waiting)
        self._queue.append(waiting)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name=f"writer {self.state.room}")
        self._wake_at(waiting.deadline)

    async def refresh(self) -> None:
        """Bring the picture up to the log's end, where other nodes wrote."""
        async with self._moving:
            await self.picture.catch_up()

    async def mend(self) -> None:
        """Project what was changed up to the log's end: a node that stopped may have left that undone."""
        async with self._moving:
            await self.picture.catch_up()
            await self._follow_up(())

    async def finish(self) -> None:
        """Return once nothing waits any more."""
        while self._task is not None:
            await asyncio.wait([self._task])

    def retire(self) -> None:
        """Write nothing more: the room's log is another one than the one read here. What waits is told so."""
        self._retired = True
        for waiting in self._batch:
            waiting.give_up()
        for waiting in self._queue:
            waiting.fail(_replaced())
        self._queue.clear()

    # -- rounds ---------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while self._queue:
                await self._round()
        finally:
            self._task = None
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None

    async def _round(self) -> None:
        loop = asyncio.get_running_loop()
        self._pause_s, self._began = 0.0, loop.time()
        try:
            winner = self.picture.last_node
            if self._handovers is not None and self._races.due(loop.time()) and self._handovers.reach(winner):
                await self._hand_over(self._handovers, winner)
            else:
                self._batch = self._take(lambda _: True)
                async with self._moving:
                    await self._write(self._batch)
            self._backoff.succeeded()
        except ChatError:
            self._pause_s = self._backoff.failed()
        except Exception:  # a defect of ours: whoever waits is told, and the room goes on
            log.exception("writer.failed", room=self.state.room)
            self._fail(self._batch, ChatError(Code.INTERNAL, "Writing failed. Repeat it with the same key."))
        finally:
            self._queue.extendleft(waiting for waiting in reversed(self._batch) if not waiting.answer.done())
            self._batch = []
        if self._pause_s:
            await asyncio.sleep(self._pause_s)

    def _take(self, wanted: Callable[[Waiting], bool]) -> list[Waiting]:
        batch: list[Waiting] = []
        left: list[Waiting] = []
        while self._queue and len(batch) < BATCH_LIMIT:
            waiting = self._queue.popleft()
            if not waiting.answer.done():
                (batch if wanted(waiting) else left).append(waiting)
        self._queue.extendleft(reversed(left))
        return batch

    async def _hand_over(self, handovers: Handovers, winner: str) -> None:
        """Have the node that wins append what came to this one; until that is answered nothing else goes out."""
        self._batch = self._take(lambda waiting: not waiting.foreign)
        known = None
        if self._batch:
            known = await handovers.give(winner, self.state.room, self.epoch, self._batch, self._doubts)
            self._metrics.handovers.labels("unanswered" if known is None else "answered").inc()
        self._behind = True
        if known is None:
            self._races.over()
            return
        refused = []
        for waiting, verdict in known:
            if isinstance(verdict, Receipt):
                waiting.accept(verdict)
            else:
                refused.append((waiting, waiting.refuse(verdict)))
        for waiting, final in refused:
            self._take_along([waiting], (*self._batch, *self._queue), final=final)

    async def _write(self, batch: list[Waiting]) -> None:
        """Decide over `batch` and insert what is accepted; what has no answer then is to be tried again."""
        if self._behind:
            await self.picture.catch_up()
            self._behind = False
        decision = await self._decide(batch)
        for position, answer in decision.answers:
            if isinstance(answer, ChatError):
                final = batch[position].refuse(answer)
                self._take_along([batch[position]], (*batch[position + 1 :], *self._queue), final=final)
        if decision.repeated:
            self._followers.publish(self.state, decision.repeated)
            await self._follow_up(decision.repeated)
        for position, answer in decision.answers:
            if isinstance(answer, Receipt):
                batch[position].accept(answer)
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
            known = Known(keys, await self.picture.referred(writes), files)
            decision = decide(
                self.state,
                self.picture.recent,
                writes,
                known,
                partial(self._entry, files),
                look_up_every_key=self._look_up_keys,
            )
            if decision.unsure:
                keys.update(dict.fromkeys(decision.unsure))
                stored = await self.picture.stored_under(decision.unsure)
                keys.update(stored)
                # One of another node that is not heard of yet: it is projected from the state behind it.
                unheard = any(entry.seq > self.state.head.seq for entry in stored.values())
                if unheard and await self.picture.catch_up():
                    keys.clear()
            elif decision.refuses and not read:
                read = True
                if await self.picture.catch_up():
                    keys.clear()
            else:
                return decision

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
            await self.picture.catch_up()
            raise
        if stored:
            self._races.over()
            await self._settle(entries[:stored], accepted)
        if stored == len(entries):
            return
        # Another node wrote first, or a key is stored beyond memory: the next decision looks for both.
        self._look_up_keys = True
        if await self.picture.catch_up():
            if not stored:
                self._races.lost(asyncio.get_running_loop().time())
        elif looked_up and not stored:
            raise unavailable("The store refused an insert and shows no reason yet. Try again.")

    async def _settle(self, entries: Sequence[Entry], accepted: Sequence[Waiting]) -> None:
        self.picture.advance(entries)
        self._followers.publish(self.state, entries)
        await self._follow_up(entries)
        for entry, waiting in zip(entries, accepted, strict=False):
            waiting.accept(Receipt(entry.seq, entry.id, entry.ts))

    async def _follow_up(self, entries: Sequence[Entry]) -> None:
        """Have `entries` projected, and every change whose own projection may not have been: that of another
        node that stopped in between, and ours that failed and was given up.
        """
        behind = [entry for entry in self.picture.unprojected.values() if entry not in entries]
        await self._followers.stored(self.state, [*behind, *entries])
        self.picture.unprojected.clear()

    def _found(self, entries: Sequence[Entry]) -> None:
        # Inserted without our hearing of it: nobody else tells the readers.
        self._followers.publish(self.state, entries)

    # -- failing --------------------------------------------------------------------------------------

    def _fail(self, failed: Collection[Waiting], problem: ChatError) -> None:
        failed = [waiting for waiting in failed if not waiting.answer.done()]
        for waiting in failed:
            waiting.fail(problem)
        self._take_along(failed, (*self._batch, *self._queue), final=False)

    def _take_along(self, failed: Collection[Waiting], later: Iterable[Waiting], *, final: bool) -> None:
        """Fail what waits of the same origins: it was sent to stand behind what failed, for good if `final`."""
        origins = {id(waiting.origin) for waiting in failed}
        if origins:
            problem = ChatError(Code.ABORTED, "An earlier write of this connection failed. Send this one again.")
            for waiting in later:
                if id(waiting.origin) in origins:
                    waiting.fail(problem, final=final)

    def _wake_at(self, deadline: float) -> None:
        """Look at `deadline` whether the time of something is up, however long the store takes."""
        if self._alarm is None or deadline < self._alarm.when():
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = asyncio.get_running_loop().call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._alarm = None
        now = asyncio.get_running_loop().time()
        for waiting in self._batch:
            waiting.tried = True  # its insert may go out at any moment, or be out
        if self._pause_s or now - self._began > SLOW_S:
            problem = not_answering()
        else:
            problem = overloaded("Too much is written to this room at once. Try again.")
        self._fail([one for one in (*self._batch, *self._queue) if one.deadline <= now], problem)
        self._queue = deque(waiting for waiting in self._queue if not waiting.answer.done())
        left = [one.deadline for one in (*self._batch, *self._queue) if not one.answer.done()]
        if left:
            self._wake_at(min(left))


def _replaced() -> ChatError:
    return ChatError(Code.ABORTED, "This room was put back from a copy. Open it again and repeat this.")
