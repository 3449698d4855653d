"""Watches how much memory a process takes while something goes on."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import psutil


class MemoryWatch:
    """`async with MemoryWatch(pid) as memory: ...`, then `memory.grown`: bytes, at the worst moment."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._before = 0
        self._most = 0
        self._watching: asyncio.Task[None] | None = None

    @property
    def grown(self) -> int:
        """By how much the process was larger than at the beginning, at most."""
        return self._most - self._before

    def look(self) -> None:
        """Take its size now."""
        self._most = max(self._most, int(self._process.memory_info().rss))

    async def __aenter__(self) -> Self:
        self.look()
        self._before = self._most
        self._watching = asyncio.get_running_loop().create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(0.02)
