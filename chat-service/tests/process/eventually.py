"""Waiting for what has to come true in a while."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable


async def eventually(condition: Callable[[], object], within_s: float, *, every_s: float = 0.01) -> None:
    """Wait until `condition` is true; where it gives an awaitable, what that brings. TimeoutError else."""
    async with asyncio.timeout(within_s):
        while True:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return
            await asyncio.sleep(every_s)
