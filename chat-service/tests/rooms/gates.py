"""Gates before every call of a store: a test opens them in the order it likes, and says how each call ends."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from chat_service.model.errors import unavailable

from .memory_log import MemoryLog

WRITES = frozenset({"append", "project", "overwrite", "add_mentions", "mark_read", "set_redacted_upto"})


class Fate(Enum):
    """How a call ends."""

    DONE = "done"
    SLOW = "done, but its answer waits at another gate"
    FAILED = "failed before anything was done"
    LOST = "done, but the answer is lost"
    LATE = "given up, and done later"


@dataclass(eq=False)
class Call:
    """A call that waits at its gate."""

    name: str
    fate: asyncio.Future[Fate]


@dataclass
class Gates:
    """Every call under way. `open_to` lets all pass at once; with `only` no others but these calls are held up."""

    waiting: list[Call] = field(default_factory=list)
    late: list[Callable[[], bool]] = field(default_factory=list)
    """What is still to be done late: each call does the next bit of it, and says whether something is left."""
    open_to: bool = False
    only: frozenset[str] | None = None

    async def wait(self, name: str) -> Fate:
        """Wait at a gate."""
        if self.open_to or (self.only is not None and name.split(maxsplit=1)[1] not in self.only):
            return Fate.DONE
        call = Call(name, asyncio.get_running_loop().create_future())
        self.waiting.append(call)
        try:
            return await call.fate
        finally:
            if call in self.waiting:
                self.waiting.remove(call)

    def let(self, which: int, fate: Fate) -> None:
        """Open one gate; nothing where nobody waits."""
        if self.waiting:
            call = self.waiting.pop(which % len(self.waiting))
            if not call.fate.done():
                call.fate.set_result(fate)

    def do_late(self, which: int) -> None:
        """Do a bit of something late; nothing where there is none."""
        if self.late:
            which %= len(self.late)
            if not self.late[which]():
                del self.late[which]

    def open_all(self) -> None:
        """From now on nobody waits any more."""
        self.open_to = True
        while self.waiting:
            self.let(0, Fate.DONE)

    def finish_late(self) -> None:
        """Do everything late."""
        while self.late:
            self.do_late(0)


class Gated:
    """A store as one node sees it: every call waits at a gate of `gates`."""

    def __init__(self, store: Any, gates: Gates, node: str) -> None:
        self._store = store
        self._gates = gates
        self._node = node

    def __getattr__(self, name: str) -> Any:
        """Return the store's method behind a gate; plain values as they are."""
        method = getattr(self._store, name)
        if not callable(method):
            return method

        async def call(*args: Any, **named: Any) -> Any:
            given = copy.deepcopy(args) if name == "project" else args  # as it was when it was called
            return await self._call(name, lambda: method(*given, **named), given)

        return call

    async def _call(self, name: str, run: Callable[[], Awaitable[Any]], args: tuple[Any, ...]) -> Any:
        fate = await self._gates.wait(f"{self._node} {name}")
        if fate is Fate.LATE and name in WRITES:
            self._gates.late.append(self._later(name, run, args))
        if fate in {Fate.FAILED, Fate.LATE}:
            raise unavailable("The store cannot be reached now.")
        result = await run()
        if fate is Fate.LOST:
            raise unavailable("The store did not answer in time.")
        if fate is Fate.SLOW and (await self._gates.wait(f"{self._node} {name} answer")) is not Fate.DONE:
            raise unavailable("The store did not answer in time.")
        return result

    def _later(self, name: str, run: Callable[[], Awaitable[Any]], args: tuple[Any, ...]) -> Callable[[], bool]:
        if name == "append" and isinstance(self._store, MemoryLog):
            room, _, entries = args
            left = list(entries)

            def insert_next() -> bool:
                stored = self._store.insert(room, left[:1])
                del left[:1]
                return bool(stored and left)

            return insert_next

        def run_now() -> bool:
            step = run().__await__()
            try:
                next(step)
            except StopIteration:
                return False
            raise AssertionError("a call on a store in memory waits for nothing")

        return run_now
