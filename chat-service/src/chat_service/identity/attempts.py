"""Attempts: how often somebody tried to sign in or register, counted in the store for all nodes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from chat_service.directory.people import AttemptRows
from chat_service.model.errors import ChatError, Code
from chat_service.rate import Rate


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was counted: under which keys, in the window that ends at `until` (Unix seconds)."""

    keys: tuple[str, ...]
    until: int


class Attempts:
    """Counts attempts in fixed windows of a rate's period; `clock` gives Unix seconds.

    An attempt is counted before it is made, so that many at once cannot pass, and given back where it turns
    out to be none that counts. A fixed window needs one atomic counter and no more of the store; its price
    is that the end of one and the beginning of the next together allow twice the count.
    """

    def __init__(self, rows: AttemptRows, clock: Callable[[], float] = time.time) -> None:
        self._rows = rows
        self._clock = clock

    async def take(self, rate: Rate, *keys: str) -> Attempt:
        """Count an attempt under every key, or raise ChatError `rate_limited` where one has too many."""
        now = self._clock()
        until = (int(now) // rate.period_s + 1) * rate.period_s
        for position, key in enumerate(keys):
            if not await self._rows.take_attempt(key, until, rate.count):
                await self.give_back(Attempt(keys[:position], until))
                raise _too_many(until - now)
        return Attempt(keys, until)

    async def give_back(self, attempt: Attempt) -> None:
        """Uncount the attempt."""
        for key in attempt.keys:
            await self._rows.give_back_attempt(key, attempt.until)

    async def clear(self, key: str) -> None:
        """Forget every attempt under `key`."""
        await self._rows.clear_attempts(key)


def _too_many(wait_s: float) -> ChatError:
    minutes = math.ceil(wait_s / 60)
    when = "in a minute" if minutes == 1 else f"in {minutes} minutes"
    return ChatError(
        Code.RATE_LIMITED, f"Too many attempts. Try again {when}.", retry_after_ms=math.ceil(wait_s * 1000)
    )
