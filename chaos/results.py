"""What came of rounds: small, as JSON, so that a report can be made of many of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from chaos.checks import CHECKS, judge
from chaos.checks.case import Case
from chaos.checks.degrading import measured
from chaos.history import Outcome, Shown

if TYPE_CHECKING:
    from chaos.history import Ending, History

SLICE_S = 0.5
"""Into how long pieces a plot divides time."""

VIOLATIONS_KEPT = 10


class Found(msgspec.Struct, frozen=True):
    """What one check found: how many violations, and the first of them."""

    check: str
    count: int
    first: tuple[str, ...] = ()


class Fault(msgspec.Struct, frozen=True):
    """A fault, in seconds after the first operation."""

    name: str
    detail: str
    begun: float
    healed: float


class Measure(msgspec.Struct, frozen=True):
    """The slowest of something that has a promised limit, in seconds."""

    what: str
    seconds: float
    promised: float


class Series(msgspec.Struct, frozen=True):
    """What happened in each piece of time since the first operation: acknowledgements, entries shown, refusals,
    and connections of clients that had lost theirs.
    """

    acks: list[int]
    shown: list[int]
    refused: list[int]
    reconnects: list[int]


class Result(msgspec.Struct, kw_only=True, frozen=True):
    """A round and its verdict."""

    round: str
    seed: int
    world: str
    seconds: float
    clients: int
    operations: int
    acked: int
    duplicates: int
    refused: dict[str, int]
    """Refusals by code."""
    indeterminate: int
    shown: int
    connections: int
    resets: int
    never_back: int
    entries: int
    faults: list[Fault]
    measures: list[Measure]
    series: Series
    found: list[Found]
    trouble: str = ""
    """Why the round could not be run to its end, where it could not."""
    command: str = ""
    """What runs it again, for a report that is made of several runs."""

    @property
    def kept(self) -> bool:
        """Whether nothing was broken."""
        return not self.trouble and not any(one.count for one in self.found)


def result_of(
    name: str, seed: int, world: str, seconds: float, history: History, ending: Ending, trouble: str = ""
) -> Result:
    """Judge a round and keep what a report needs. With `trouble` there is nothing to judge."""
    verdicts = [] if trouble else judge(history, ending)
    zero = min((one.begun for one in history.operations if one.begun is not None), default=0.0)
    outcomes = Counter(one.outcome for one in history.operations)
    steps = [step for stream in history.streams.values() for step in stream.steps]
    shown = [step.at for step in steps if isinstance(step, Shown)]
    return Result(
        round=name,
        seed=seed,
        world=world,
        seconds=seconds,
        clients=len({connection.client for connection in history.connections}),
        operations=len(history.operations),
        acked=history.acked,
        duplicates=sum(ack.duplicate for one in history.operations for ack in one.acks),
        refused=dict(Counter(no.code for one in history.operations for no in one.refusals)),
        indeterminate=outcomes[Outcome.INDETERMINATE],
        shown=len(shown),
        connections=len(history.connections),
        resets=sum(getattr(step, "reset", None) is not None for step in steps),
        never_back=len(ending.never_back),
        entries=sum(len(next(iter(logs.values()), [])) for logs in ending.logs.values()),
        faults=[
            Fault(one.name, one.detail, one.begun - zero, (one.healed or one.begun) - zero)
            for one in history.injections
        ],
        measures=[Measure(one.what, one.seconds, one.promised) for one in measured(Case(history, ending))],
        series=Series(
            acks=_slices([ack.at - zero for one in history.operations for ack in one.acks]),
            shown=_slices([at - zero for at in shown]),
            refused=_slices([no.at - zero for one in history.operations for no in one.refusals]),
            reconnects=_slices([at - zero for at in reconnects(history)]),
        ),
        found=[
            Found(verdict.check, len(verdict.violations), verdict.violations[:VIOLATIONS_KEPT])
            for verdict in verdicts
        ],
        trouble=trouble,
    )


def reconnects(history: History) -> list[float]:
    """When clients were connected again that had lost their connection."""
    seen: set[str] = set()
    times: list[float] = []
    for connection in history.connections:
        if connection.client in seen:
            times.append(connection.opened)
        seen.add(connection.client)
    return times


def _slices(times: list[float]) -> list[int]:
    counted = Counter(int(at / SLICE_S) for at in times if at >= 0)
    return [counted[piece] for piece in range(max(counted, default=-1) + 1)]


def summary(result: Result) -> str:
    """A round in one line, and what it broke."""
    verdict = "kept" if result.kept else "BROKEN" if not result.trouble else "NOT RUN"
    codes = ", ".join(f"{count} {code}" for code, count in sorted(result.refused.items())) or "none"
    told = (
        f"{verdict}: {result.round} --seed {result.seed}: {result.acked} acknowledged, {result.duplicates} of them"
        f" found stored already, {sum(result.refused.values())} refusals ({codes}),"
        f" {result.indeterminate} unknown, {result.shown} shown,"
        f" {result.connections} connections of {result.clients} clients, {result.seconds:.0f} s"
    )
    lines = [told, *([f"  {result.trouble}"] if result.trouble else [])]
    for one in result.found:
        if one.count:
            lines.append(f"  {one.check}: {one.count} times")
            lines += [f"    {violation}" for violation in one.first[:3]]
    return "\n".join(lines)


def read(path: Path) -> list[Result]:
    """Results that were kept; none where there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=list[Result]) if path.exists() else []


def write(path: Path, results: list[Result]) -> None:
    """Keep results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(results))


def replaced(kept: list[Result], result: Result) -> list[Result]:
    """What was kept with a result in it, which takes the place of that of the same round, seed and world."""

    def is_old(one: Result) -> bool:
        return (one.round, one.seed, one.world) == (result.round, result.seed, result.world)

    others = [one for one in kept if not is_old(one)]
    return [*others, result]


def promises() -> dict[str, tuple[str, ...]]:
    """The checks of each promise."""
    names = sorted({promise for check in CHECKS for promise in check.promises})
    return {name: tuple(check.name for check in CHECKS if name in check.promises) for name in names}
