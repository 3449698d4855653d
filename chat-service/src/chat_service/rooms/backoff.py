"""Pauses before something is tried again: longer each time up to a most, and never the same for everybody."""

from __future__ import annotations

import random


def jittered(seconds: float) -> float:
    """Between half of `seconds` and all of it, at random: who failed together does not come back together."""
    return random.uniform(0.5, 1.0) * seconds  # noqa: S311 - nothing secret about it


class Backoff:
    """The pause after each failure in a row (seconds): doubled from `first` up to `most`, and jittered."""

    def __init__(self, first: float, most: float) -> None:
        self._first = first
        self._most = most
        self._reached = 0.0

    def failed(self) -> float:
        """Once more it failed: how long to wait."""
        self._reached = min(max(self._reached * 2, self._first), self._most)
        return jittered(self._reached)

    def succeeded(self) -> None:
        """Begin with the first pause again."""
        self._reached = 0.0
