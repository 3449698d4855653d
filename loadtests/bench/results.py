"""Results: the outcomes of all repeats, and the medians, ranges and ratios made of them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from bench.job import Outcome


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some repeats, and the least and most of them."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass
class Results:
    """Outcomes by load and contestant, in the order in which they were measured."""

    outcomes: dict[str, dict[str, list[Outcome]]] = field(default_factory=dict)

    def add(self, load: str, contestant: str, outcome: Outcome) -> None:
        """Keep one outcome."""
        self.outcomes.setdefault(load, {}).setdefault(contestant, []).append(outcome)

    def figure(self, load: str, contestant: str, name: str) -> Spread | None:
        """A figure of a load; None where it was not measured."""
        outcomes = self.outcomes.get(load, {}).get(contestant)
        return Spread.of([outcome.figures[name] for outcome in outcomes]) if outcomes else None

    def ratio(self, load: str, name: str) -> float | None:
        """The service's median by the peer's."""
        service, peer = self.figure(load, "service", name), self.figure(load, "peer", name)
        return service.median / peer.median if service and peer and peer.median else None

    def cpu(self, load: str, contestant: str) -> tuple[Spread, Spread] | None:
        """CPU seconds per second, of the server and of the generator."""
        outcomes = self.outcomes.get(load, {}).get(contestant)
        if not outcomes:
            return None
        return (
            Spread.of([outcome.server_cpu for outcome in outcomes]),
            Spread.of([outcome.generator_cpu for outcome in outcomes]),
        )

    def others(self) -> Spread | None:
        """CPU seconds per second that other programs took, over everything that was measured."""
        outcomes = [one for contestants in self.outcomes.values() for some in contestants.values() for one in some]
        return Spread.of([outcome.others_cpu for outcome in outcomes]) if outcomes else None

    def problems(self) -> list[str]:
        """Everything that was not as it has to be."""
        return [
            f"{load}, {contestant}, repeat {repeat}: {problem}"
            for load, contestants in self.outcomes.items()
            for contestant, outcomes in contestants.items()
            for repeat, outcome in enumerate(outcomes, start=1)
            for problem in outcome.problems
        ]

    def as_json(self, facts: dict[str, str], command: str) -> bytes:
        """Everything, for a program to read."""
        told: dict[str, Any] = {
            "command": command,
            "facts": facts,
            "outcomes": self.outcomes,
            "problems": self.problems(),
        }
        return msgspec.json.format(msgspec.json.encode(told), indent=2)
