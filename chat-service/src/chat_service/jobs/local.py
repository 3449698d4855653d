"""Sharing work out inside one process: the embedded default."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from chat_service.jobs import Claim, Work

STAND_BY_S = 1.0
"""How often a process that stands by looks whether it is alone now."""

log = structlog.get_logger()


class LocalQueue:
    """`WorkQueue` for one process at a time.

    With `lock` the first process that has the lock on that file works, the others stand by and take over when it
    ends, however it ends.
    """

    def __init__(self, lock: Path | None = None) -> None:
        self._path = lock
        self._lock: Any = None
        self._waiting: dict[Work, None] = {}
        self._claimed: dict[Work, bool] = {}
        self._ready = asyncio.Event()

    @property
    def healthy(self) -> bool:
        """See WorkQueue. To stand by is healthy."""
        return True

    async def start(self) -> None:
        """See WorkQueue."""

    async def stop(self) -> None:
        """See WorkQueue."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def offer(self, works: Sequence[Work]) -> None:
        """See WorkQueue."""
        for work in works:
            if work in self._claimed:
                self._claimed[work] = True
            else:
                self._waiting[work] = None
                self._ready.set()

    async def waiting(self) -> int | None:
        """See WorkQueue."""
        return len(self._waiting)

    async def take(self) -> Claim:
        """See WorkQueue."""
        while self._path is not None and self._lock is None:
            self._lock = _locked(self._path)
            if self._lock is None:
                await asyncio.sleep(STAND_BY_S)
            else:
                log.info("jobs.alone", lock=str(self._path))
        while not self._waiting:
            self._ready.clear()
            await self._ready.wait()
        work = next(iter(self._waiting))
        del self._waiting[work]
        self._claimed[work] = False
        return Claim(work)

    async def done(self, claim: Claim) -> None:
        """See WorkQueue."""
        if self._claimed.pop(claim.work, False):
            await self.offer([claim.work])

    async def release(self, claim: Claim) -> None:
        """See WorkQueue."""
        self._claimed.pop(claim.work, None)
        await self.offer([claim.work])


def _locked(path: Path) -> Any:
    """The open file with its lock, None where another process has it."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
