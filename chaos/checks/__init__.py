"""The checks: pure functions over a recorded round, each for one promise, and the judgement of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from chaos.checks import (
    access,
    acks,
    convergence,
    degrading,
    delivery,
    duplicates,
    liveness,
    log_whole,
    markers,
    memory,
    order,
    own_writes,
    phantoms,
    presence,
)
from chaos.checks.case import Case
from chaos.history import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chaos.history import Ending, History

VIOLATIONS_MOST = 1000
"""Violations of one check that are counted: more of them say nothing more."""


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant: its name, the promises it belongs to, what it says to a reader, and what breaks it.

    `applies` says whether a round has anything that it could find wrong.
    """

    name: str
    promises: tuple[str, ...]
    says: str
    find: Callable[[Case], Iterator[str]]
    applies: Callable[[Case], bool] = lambda case: bool(case.history.operations)


def _somebody_left(case: Case) -> bool:
    return bool(case.history.departures)


def _memory_was_watched(case: Case) -> bool:
    return bool(case.history.memory)


def _somebody_was_removed(case: Case) -> bool:
    return any(operation.kind is Kind.REMOVE for operation in case.history.operations)


def _something_was_away(case: Case) -> bool:
    return any(injection.away is not None for injection in case.history.injections)


CHECKS = (
    Check("no lost acknowledgement", ("P1",), "every acknowledged write is in the log, as sent", acks.find),
    Check("nothing from nowhere", ("P1", "P8"), "every entry was asked for and not refused", phantoms.find),
    Check("one order", ("P2",), "logs have no holes, and every node reads the same", log_whole.find),
    Check("order in time", ("P2",), "what was acknowledged first stands first", order.find_late),
    Check("order of a connection", ("P2",), "what a client sent stands in the order sent", order.find_swapped),
    Check("no duplicate", ("P3",), "a repeated key is stored once", duplicates.find),
    Check("delivered whole", ("P2", "P4"), "every client was shown the log: no hole, no repeat", delivery.find),
    Check("own writes", ("P4",), "whoever comes back sees what they wrote", own_writes.find),
    Check("convergence", ("P2", "P4"), "everybody ends with the same messages", convergence.find),
    Check("deleted stays deleted", ("P8",), "deleted words are handed out no more", convergence.find_unmasked),
    Check("read markers", ("P4",), "markers never go back; unread follows from them", markers.find),
    Check("access", ("P8",), "who was removed is shown nothing later", access.find, _somebody_was_removed),
    Check("presence", ("P6",), "every node names who is there, and nobody else", presence.find),
    Check("liveness", ("P4", "P6"), "everybody came back and can write", liveness.find),
    Check(
        "clean leave",
        ("P7",),
        "a node that is asked to leave ends in time",
        liveness.find_slow_leaving,
        _somebody_left,
    ),
    Check("bounded memory", ("P5",), "who does not read does not grow a node", memory.find, _memory_was_watched),
    Check(
        "never lies",
        ("P6",),
        "nothing is acknowledged without a store; limits hold",
        degrading.find,
        _something_was_away,
    ),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found: its violations, the first of them all in words."""

    check: str
    violations: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        return not self.violations


def judge(history: History, ending: Ending, checks: Sequence[Check] = CHECKS) -> list[Verdict]:
    """Hold a round to every check that has something to look at in it."""
    case = Case(history, ending)
    applying = (check for check in checks if check.applies(case))
    return [Verdict(check.name, tuple(islice(check.find(case), VIOLATIONS_MOST))) for check in applying]
