"""Liveness: after the faults everybody is back, writes go through and arrive, and drains had ended in time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from chaos.history import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.checks.case import Case

WITHIN_S = 15.0
"""How long a write may take once all is well again: the longest pause between two attempts, and noise."""


def find(case: Case) -> Iterator[str]:
    """Clients that never came back, writes that found no answer, and fresh ones that do not go through."""
    for client in case.ending.never_back:
        yield f"{client} did not come back, or was not shown everything"
    for probe in case.ending.probes:
        where = f"a message in {probe.room} by {probe.node} after everything was healed"
        if probe.acked is None:
            yield f"{where} was not acknowledged"
        elif probe.acked - probe.sent > WITHIN_S:
            yield f"{where} was acknowledged only after {probe.acked - probe.sent:.0f} s"
        if probe.shown_to_all is None:
            yield f"{where} was not shown to everybody"
        elif probe.shown_to_all - probe.sent > WITHIN_S:
            yield f"{where} was shown to everybody only after {probe.shown_to_all - probe.sent:.0f} s"
    for operation in case.history.operations:
        if operation.outcome is Outcome.INDETERMINATE and not operation.abandoned:
            told = Counter(refusal.code for refusal in operation.refusals)
            last = f", last by {operation.attempts[-1].node}" if operation.attempts else ""
            yield f"{operation} was repeated until the end{last}, and never answered for good: {dict(told)}"


def find_slow_leaving(case: Case) -> Iterator[str]:
    """Nodes that were asked to leave and did not end well inside their grace period."""
    for left in case.history.departures:
        if left.ended is None:
            yield f"{left.node} did not end"
        elif left.code != 0:
            yield f"{left.node} ended with code {left.code}"
        elif left.ended - left.asked > left.grace_s:
            yield f"{left.node} took {left.ended - left.asked:.1f} s to leave, it had {left.grace_s:.1f}"
