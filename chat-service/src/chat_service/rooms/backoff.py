"""Pauses before something is tried again, here and by clients: never the same for everybody."""

from __future__ import annotations

import random

from chat_service.model.errors import ChatError, Code

RETRY_AFTER_MS = 1000
"""Least time after which clients are asked to repeat something; each is told another one, up to twice this."""


def jittered(seconds: float) -> float:
    """Between half of `seconds` and all of it, at random: who failed together does not come back together."""
    return random.uniform(0.5, 1.0) * seconds  # noqa: S311 - nothing secret about it


def retry_after_ms() -> int:
    """When a client may ask again, in milliseconds: another time for each."""
    return int(jittered(2 * RETRY_AFTER_MS))


def overloaded(message: str) -> ChatError:
    """More waits than may."""
    return ChatError(Code.OVERLOADED, message, retry_after_ms=retry_after_ms())


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
