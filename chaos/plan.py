"""The plan of a round: what every client does and when, made of the seed alone, so that it can be replayed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos.history import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS = (Kind.SEND, Kind.REACT, Kind.EDIT, Kind.MARK, Kind.DELETE)
_WEIGHTS = (80, 8, 5, 5, 2)
_EMOJI = ("👍", "🎉", "👀")

ECHOED = 0.03
"""The share of operations that another client of the same person sends once more, on another node."""

LONGEST_ECHO_S = 12.0
"""The longest that such a repeat is on its way."""

ABANDONED = 0.01
"""The share that is given up once its connection is lost: its outcome stays unknown."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a client does after a pause.

    `room` and `pick`, 0 to 1, choose a room and what in it to edit, delete or react to; what there is depends
    on how the round went. `echo_s` is when the same is sent once more, None for never.
    """

    pause_s: float
    kind: Kind
    room: float
    pick: float
    emoji: str
    on: bool
    echo_s: float | None
    abandoned: bool


def steps(seed: str, client: str, pause_s: float) -> Iterator[Step]:
    """What a client does, without an end; pauses are `pause_s` in the mean."""
    chance = random.Random(f"{seed} {client} plan")
    while True:
        echoed, abandoned = chance.random() < ECHOED, chance.random() < ABANDONED
        # Half of the repeats race the first sending, the others come long after it.
        late_s = chance.choice((0.0, chance.uniform(0.5, LONGEST_ECHO_S)))
        yield Step(
            pause_s=min(chance.expovariate(1 / pause_s), 4 * pause_s),
            kind=chance.choices(_KINDS, _WEIGHTS)[0],
            room=chance.random(),
            pick=chance.random(),
            emoji=chance.choice(_EMOJI),
            on=chance.random() < 0.7,
            echo_s=late_s if echoed else None,
            abandoned=abandoned,
        )
