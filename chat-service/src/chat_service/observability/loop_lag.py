"""Samples how late the event loop wakes up: what every client of this node waits at the least."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Histogram


async def sample_loop_lag(lag_seconds: Histogram, interval_s: float = 0.25) -> None:
    """Observe the lag every `interval_s` until cancelled; the task belongs to whoever starts it."""
    loop = asyncio.get_running_loop()
    while True:
        asked = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        lag_seconds.observe(max(0.0, loop.time() - asked))
