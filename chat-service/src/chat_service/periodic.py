"""Periodic work: what a node does again and again beside serving."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from chat_service.model.errors import ChatError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to be done every `every_s` seconds, counted from the end of the last time."""

    name: str
    every_s: float
    work: Callable[[], Awaitable[None]]


class Chores:
    """Owns a task for each chore. One that fails is logged and done again at its next time."""

    def __init__(self, chores: tuple[Chore, ...]) -> None:
        self._chores = chores
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(_repeat(chore), name=chore.name) for chore in self._chores]

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []


async def _repeat(chore: Chore) -> None:
    while True:
        await asyncio.sleep(chore.every_s)
        try:
            await chore.work()
        except ChatError as problem:
            log.warning("chore.failed", chore=chore.name, error=problem.message)
        except Exception:  # a defect of ours must not end the node's upkeep
            log.exception("chore.failed", chore=chore.name)
