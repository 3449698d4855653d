"""Patience with receivers: how long to wait after a failure, when to give up, when to spare one altogether."""

from __future__ import annotations

import random
from dataclasses import dataclass

CIRCUIT_FAILURES = 5
"""So many failures of a receiver in a row, whatever the room, and it is spared for a while."""

CIRCUIT_MOST_S = 30.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Pauses double from `first_s` to `most_s`; after `attempts` or `max_age_s` since the first one it ends."""

    attempts: int
    first_s: float
    most_s: float
    max_age_s: float

    def pause_s(self, attempts: int, retry_after_s: float | None) -> float:
        """How long to wait after so many failed attempts; what the receiver asks for counts, up to `most_s`."""
        doubled = min(self.most_s, self.first_s * 2.0 ** min(attempts - 1, 60))
        # Between half and all of it, so that what failed together does not come back together.
        jittered = doubled * random.uniform(0.5, 1)  # noqa: S311 - no secret hangs on it
        return jittered if retry_after_s is None else min(self.most_s, max(jittered, retry_after_s))

    def ends(self, attempts: int, age_s: float) -> bool:
        """Whether to give up after so many failed attempts in so many seconds."""
        return attempts >= self.attempts or age_s >= self.max_age_s


class Circuit:
    """What a worker knows of one receiver: after failures in a row it is left alone, then tried by one at a time.

    Times are seconds of one monotonic clock.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._failures = 0
        self._closed_until = 0.0

    def wait_s(self, now: float) -> float:
        """How long to spare the receiver yet; 0 lets this attempt through and no other for a moment."""
        if self._failures < CIRCUIT_FAILURES:
            return 0.0
        if now < self._closed_until:
            return self._closed_until - now
        self._closed_until = now + self._spare_s()
        return 0.0

    def succeeded(self) -> None:
        """Note that the receiver took something."""
        self._failures = 0

    def failed(self, now: float) -> None:
        """Note that it did not."""
        self._failures += 1
        if self._failures >= CIRCUIT_FAILURES:
            self._closed_until = now + self._spare_s()

    def _spare_s(self) -> float:
        doubled = self._patience.first_s * 2.0 ** min(self._failures - CIRCUIT_FAILURES, 60)
        return min(CIRCUIT_MOST_S, self._patience.most_s, doubled)
