"""The loads: an office day, a spike, a storm of people who come back, and an evening without metrics.

How many people there are at what time is made up here; what each of them costs is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

HOUR = 3600


@dataclass(frozen=True)
class Day:
    """A load. `people` are connected at a second; `messages` are written in one, before the recorded bursts."""

    name: str
    about: str
    length_s: int
    people: Callable[[int], float]
    messages: Callable[[int], float]
    readers: float | None = None
    """Of each message; None as recorded."""
    lost_at_s: int | None = None
    lost_share: float = 0.0
    blind: tuple[int, int] | None = None
    """From when until when Prometheus is away."""


def along(*corners: tuple[float, float]) -> Callable[[int], float]:
    """A line through corners (hours, value), level before the first and after the last."""

    def at(second: int) -> float:
        hours = second / HOUR
        if hours <= corners[0][0]:
            return corners[0][1]
        for (begin, low), (end, high) in pairwise(corners):
            if hours <= end:
                return low + (high - low) * (hours - begin) / (end - begin)
        return corners[-1][1]

    return at


def _talking(people: Callable[[int], float], an_hour: float) -> Callable[[int], float]:
    return lambda second: people(second) * an_hour / HOUR


_OFFICE = along(
    (0, 3000),
    (6, 3000),
    (9.5, 60_000),
    (12, 60_000),
    (12.75, 45_000),
    (13.5, 60_000),
    (16, 58_000),
    (19, 6000),
    (24, 3000),
)
_SPIKE = along((0, 20_000), (0.5, 20_000), (0.55, 60_000), (1.25, 60_000), (1.3, 20_000), (2.5, 20_000))
_FULL = along((0, 60_000), (1.5, 60_000))
_EVENING = along((0, 60_000), (0.5, 60_000), (1.5, 10_000), (3, 10_000))

DAYS = (
    Day(
        "office day",
        "60,000 people come between 6 and 9:30, go to lunch, and leave between 16 and 19;"
        " each writes 20 messages an hour",
        24 * HOUR,
        _OFFICE,
        _talking(_OFFICE, 20),
    ),
    Day(
        "spike",
        "40,000 more come within 3 minutes to one announcement, talk in a room of 5,000,"
        " and leave after 45 minutes",
        int(2.5 * HOUR),
        _SPIKE,
        lambda second: 20.0 if HOUR / 2 <= second <= 1.3 * HOUR else 5.0,
        readers=5000,
    ),
    Day(
        "reconnect storm",
        "half of the gateways are lost at once, with 60,000 people connected;"
        " everybody comes back with 1,000 entries to read",
        int(1.5 * HOUR),
        _FULL,
        _talking(_FULL, 20),
        lost_at_s=HOUR // 2,
        lost_share=0.5,
    ),
    Day(
        "without metrics",
        "Prometheus is away for an hour, in which 50,000 of 60,000 people leave",
        3 * HOUR,
        _EVENING,
        _talking(_EVENING, 20),
        blind=(int(0.6 * HOUR), int(1.6 * HOUR)),
    ),
)
