"""The rooms that this node has in memory, each with its writer and its folded state."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

import structlog

from chat_service.directory.rooms import RoomDirectory
from chat_service.log import RoomLog
from chat_service.model.entries import Head
from chat_service.model.errors import ChatError, Code, not_found
from chat_service.model.permissions import Action
from chat_service.model.rooms import STATE_KINDS, RoomState
from chat_service.model.writes import Write
from chat_service.rooms.batches import batched
from chat_service.rooms.deciding import Receipt
from chat_service.rooms.waiting import Load, Waiting, WriterLimits, not_answering
from chat_service.rooms.writer import RoomWriter

ACTIVE_ROOMS = 10_000
"""Rooms kept in memory; beyond it the ones used longest ago are let go, unless something waits in them."""

HEADS_AT_ONCE = 500
"""Rooms whose log's end is asked for in one read."""

log = structlog.get_logger()


class ActiveRooms:
    """Loads rooms on first use, from the directory's snapshot and what the log has since."""

    def __init__(
        self,
        room_log: RoomLog,
        directory: RoomDirectory,
        make_writer: Callable[[RoomState], RoomWriter],
        in_use: Callable[[str], bool],
        limits: WriterLimits,
        limit: int = ACTIVE_ROOMS,
    ) -> None:
        self._log = room_log
        self._directory = directory
        self._make_writer = make_writer
        self._in_use = in_use
        self._limits = limits
        self._limit = limit
        self._waiting_load = Load(limits)
        self._retired: set[RoomWriter] = set()
        self._early: dict[str, list[Waiting]] = {}
        self._submitting: set[asyncio.Task[None]] = set()
        self._writers: OrderedDict[str, RoomWriter] = OrderedDict()
        self._loading: dict[str, asyncio.Task[RoomWriter]] = {}

    def get(self, room: str) -> RoomWriter | None:
        """The room, if it is in memory."""
        writer = self._writers.get(room)
        if writer is not None:
            self._writers.move_to_end(room)
        return writer

    def peek(self, room: str) -> RoomWriter | None:
        """The room, if it is in memory, without counting as a use of it."""
        return self._writers.get(room)

    def submit(self, room: str, write: Write, origin: object) -> asyncio.Future[Receipt]:
        """`RoomWriter.submit`, also for a room that has to be loaded first: the order of calls is kept."""
        waiting = Waiting.now(write, origin, self._limits)
        self.enqueue(room, waiting)
        return waiting.answer

    def enqueue(self, room: str, waiting: Waiting) -> None:
        """Queue what waits already; raises ChatError as `submit` does."""
        writer = self.get(room)
        self._waiting_load.take(waiting)
        try:
            if writer is not None and room not in self._early:
                writer.enqueue(waiting)
            else:
                self._wait_for_room(room, waiting)
        except ChatError:
            waiting.answer.cancel()
            raise

    def _wait_for_room(self, room: str, waiting: Waiting) -> None:
        early = self._early.get(room)
        if early is None:
            early = self._early[room] = []
            task = asyncio.get_running_loop().create_task(self._submit_early(room), name=f"submit {room}")
            self._submitting.add(task)
            task.add_done_callback(self._submitting.discard)
        self._limits.check(len(early))
        early.append(waiting)

    async def _submit_early(self, room: str) -> None:
        problem = ChatError(Code.INTERNAL, "The room could not be loaded. Try again.")
        writer: RoomWriter | None = None
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                writer = await self.load(room)
        except TimeoutError:
            problem = not_answering()
        except ChatError as unreadable:
            problem = unreadable
        except Exception:  # whatever it is, whoever waits is told
            log.exception("active.load_failed", room=room)
        for waiting in self._early.pop(room):
            try:
                if writer is None:
                    raise problem
                writer.enqueue(waiting)
            except ChatError as refused:
                waiting.fail(refused)

    async def epoch(self, room: str) -> str:
        """Which log a room's entries are of; raises ChatError `unavailable` where it cannot be read."""
        return (await self.load(room)).epoch

    async def load(self, room: str) -> RoomWriter:
        """The room, read where it is not in memory; one that does not exist has an empty state.

        Raises ChatError `unavailable` where it cannot be read.
        """
        writer = self.get(room)
        if writer is not None:
            return writer
        loading = self._loading.get(room)
        if loading is None:
            loading = asyncio.get_running_loop().create_task(self._load(room), name=f"load {room}")
            self._loading[room] = loading
            loading.add_done_callback(lambda done: self._loaded(room, done))
        # Whoever asked first may give up; those who joined must not lose the room with them.
        return await asyncio.shield(loading)

    async def load_readable(self, room: str, user: str) -> RoomWriter:
        """The room, if `user` may read it; who may not yet, in memory, may since another node let them in.

        Raises ChatError `not_found` where they may not, `unavailable` where it cannot be read.
        """
        writer = await self.load(room)
        if not writer.state.permits(user, Action.READ):
            await writer.refresh()
        if not writer.state.exists or not writer.state.permits(user, Action.READ):
            raise not_found("There is no such room.")
        return writer

    def _loaded(self, room: str, done: asyncio.Task[RoomWriter]) -> None:
        self._loading.pop(room, None)
        if not done.cancelled():
            done.exception()  # seen here, should nobody be waiting for it any more

    async def _load(self, room: str) -> RoomWriter:
        state = await self._directory.snapshot(room) or RoomState(room)
        projected = state.head.seq
        head = await self._log.head(room)
        changes = await self._log.read_kinds(room, projected, STATE_KINDS)
        # A change beyond `head` was appended between the two reads: the log reaches at least there.
        ends = [head, *(Head(entry.seq, entry.id) for entry in changes)]
        before = set(state.members)
        state.catch_up(changes, max(ends, key=lambda end: end.seq))
        if changes:
            touched = {entry.body["user"] for entry in changes if "user" in entry.body}
            await self._directory.project(state, before ^ set(state.members) | touched)
        writer = self._writers[room] = self._make_writer(state)
        self._let_go()
        return writer

    def forget(self, room: str) -> None:
        """Drop what is in memory of a room, whose log is another one now: it is read again on next use.

        What waits in it was decided by a log that is gone: it is told so, and has to be sent again.
        """
        writer = self._writers.pop(room, None)
        if writer is not None:
            writer.retire()
            self._retired = {one for one in (*self._retired, writer) if one.in_use}

    def _let_go(self) -> None:
        for room in list(self._writers)[: max(0, len(self._writers) - self._limit)]:
            if not self._writers[room].in_use and room not in self._early and not self._in_use(room):
                del self._writers[room]

    async def finish(self) -> None:
        """Return once nothing waits to be written in any room."""
        while self._submitting:
            await asyncio.wait(self._submitting)
        for writer in [*self._writers.values(), *self._retired]:
            await writer.finish()

    def waiting(self) -> int:
        """How many writes wait or are on their way, in all rooms."""
        early = sum(len(waiting) for waiting in self._early.values())
        return early + sum(writer.waiting for writer in self._writers.values())

    async def refresh(self) -> None:
        """Bring every room in memory up to its log's end, where another process wrote."""
        for rooms in batched(list(self._writers), HEADS_AT_ONCE):
            for room, head in (await self._log.heads(rooms)).items():
                writer = self._writers.get(room)
                if writer is not None and head.seq > writer.state.head.seq:
                    await writer.refresh()

    async def sweep(self, page: int = 500) -> int:
        """Project every room whose directory rows are behind its log; returns how many there were."""
        behind, after = 0, ""
        while changed := await self._log.changed_rooms(after, page):
            after = changed[-1][0]
            projected = await self._directory.projected([room for room, _ in changed])
            for room, seq in changed:
                if projected.get(room, 0) < seq:
                    behind += 1
                    await (await self.load(room)).mend()
        return behind
