"""Read your writes: what somebody was told is stored is in what they open next, on whatever node.

A node whose bus is unwell may hand it in a moment later, as a live entry: within the time in which it catches up.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from typing import TYPE_CHECKING

from chaos.history import LOGGED, Ended, Opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.checks.case import Case
    from chaos.history import Stream

CATCH_UP_S = 15.0
"""How late one's own entry may come: the promised 3 s, once the fault has gone, and the noise of the machine."""


def find(case: Case) -> Iterator[str]:
    """Openings whose stream brings an earlier acknowledged write of the same person too late.

    That it comes at all is what `liveness` sees to: in the end every client holds the whole log.
    """
    acked: dict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
    for operation in case.history.operations:
        ack = case.first_ack(operation)
        if ack is not None and operation.kind in LOGGED:
            acked[operation.user, operation.room].append((ack.at, ack.seq))
    highest = {owner: _running_highest(times) for owner, times in acked.items()}
    for stream in case.streams:
        times = highest.get((stream.user, stream.room))
        if times is not None:
            yield from _missing(case, stream, times)


def _running_highest(times: list[tuple[float, int]]) -> tuple[list[float], list[int]]:
    times.sort()
    most, found = 0, []
    for _, seq in times:
        most = max(most, seq)
        found.append(most)
    return [at for at, _ in times], found


def _missing(case: Case, stream: Stream, acked: tuple[list[float], list[int]]) -> Iterator[str]:
    owed, since = 0, 0.0
    for step in stream.steps:
        if isinstance(step, Opened):
            owed = 0
            before = bisect.bisect_left(acked[0], step.begun)
            if step.live and before and acked[1][before - 1] > step.last_seq:
                owed, since = acked[1][before - 1], step.at
        elif isinstance(step, Ended):
            owed = 0
        elif owed and step.entry.seq >= owed:
            healed = [one.healed for one in case.history.injections if one.healed and one.healed <= step.at]
            if step.at - max([since, *healed]) > CATCH_UP_S:
                late = f"{step.at - since:.0f} s after it opened the room"
                yield f"{stream.client} in {stream.room}: shown its own {owed} only {late}"
            owed = 0
