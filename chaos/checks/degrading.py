"""Degrade, never lie: nothing is acknowledged without a store, and a lost bus delays for seconds only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos.history import LOGGED, Away, Shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.checks.case import Case
    from chaos.history import Injection

STORE_SETTLES_S = 0.5
"""What the store had stored when it went away may still be acknowledged for this long."""

CATCH_UP_S, REFUSE_S = 3.0, 2.0
"""What is promised: how late other nodes' readers are without a bus, how soon sends fail without a store."""

NOISE_S = 2.0
"""What a machine that is busy with everything at once may add to either before it counts."""


@dataclass(frozen=True, slots=True)
class Slowest:
    """The slowest that was measured of something that has a promised limit (seconds)."""

    what: str
    seconds: float
    promised: float


def find(case: Case) -> Iterator[str]:
    """Acknowledgements that nothing stood behind, and limits that were not kept."""
    for injection in case.history.injections:
        if injection.away is Away.STORE:
            for operation in case.history.operations:
                for ack in operation.acks:
                    lied = operation.kind in LOGGED and not ack.duplicate
                    if lied and injection.covers(ack.at, STORE_SETTLES_S):
                        since = ack.at - injection.begun
                        yield f"{operation}: acknowledged {since:.1f} s after the store was taken away"
    for slowest in measured(case):
        if slowest.seconds > slowest.promised + NOISE_S:
            yield f"{slowest.what}: {slowest.seconds:.1f} s, promised are {slowest.promised:.0f} s"


def measured(case: Case) -> list[Slowest]:
    """What was slowest, of everything that happened while a backend was away."""
    found = []
    for injection in case.history.injections:
        if injection.away is Away.BUS:
            late = _latest_shown(case, injection)
            found.append(Slowest(f"shown to readers of other nodes, {injection.name}", late, CATCH_UP_S))
        elif injection.away is Away.STORE:
            late = _latest_refusal(case, injection)
            found.append(Slowest(f"refused or left unanswered no longer, {injection.name}", late, REFUSE_S))
    return found


def _latest_shown(case: Case, injection: Injection) -> float:
    """How long after its ack an entry was first shown to a client that was live when it was acked."""
    acked = {
        (operation.room, ack.seq): ack.at
        for operation in case.history.operations
        if operation.kind in LOGGED and (ack := case.first_ack(operation)) and injection.covers(ack.at)
    }
    latest = 0.0
    for stream in case.streams:
        for step in stream.steps:
            if isinstance(step, Shown) and not step.paged:
                at = acked.get((stream.room, step.entry.seq))
                if at is not None:
                    latest = max(latest, step.at - at)
    return latest


def _latest_refusal(case: Case, injection: Injection) -> float:
    """How long a send that went out without a store waited for its refusal."""
    latest = 0.0
    for operation in case.history.operations:
        for refusal in operation.refusals:
            if refusal.code != "unavailable" or not injection.covers(refusal.at):
                continue
            sent = max((one.at for one in operation.attempts if one.at <= refusal.at), default=refusal.at)
            if injection.covers(sent):
                latest = max(latest, refusal.at - sent)
    return latest
