"""The exhaustive search: every reachable state, breadth first, so that the first violation is a shortest one."""

from array import array
from collections import Counter
from dataclasses import dataclass, field

from .append_rules import first_state, is_settled, steps
from .flaws import Rules
from .invariants import EVERY_SEND_CAN_BE_ANSWERED, INVARIANTS
from .room_state import State, Step


@dataclass(frozen=True)
class Violation:
    """A broken invariant and the shortest way to it."""

    invariant: str
    first: State
    trace: tuple[Step, ...]


@dataclass
class Exploration:
    """What the search saw."""

    rules: Rules
    violation: Violation | None = None
    states: int = 0
    events: Counter[str] = field(default_factory=Counter)


class Explorer:
    """One search: the states found so far, and how each was reached first."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._states: list[State] = []
        self._numbers: dict[State, int] = {}
        self._reached_by: list[tuple[int, str, int]] = []
        self._edges: tuple[array[int], array[int]] = (array("I"), array("I"))
        self._result = Exploration(rules)

    def explore(self) -> Exploration:
        """Search until a state breaks an invariant, or until there are no more states."""
        self._add(first_state(self._rules.scenario), 0, "", -1)
        number = 0
        while number < len(self._states) and self._result.violation is None:
            self._expand(number)
            number += 1
        self._result.states = len(self._states)
        if self._result.violation is None:
            self._check_all_can_settle()
        return self._result

    def _expand(self, number: int) -> None:
        sources, targets = self._edges
        for step in steps(self._rules, self._states[number]):
            self._result.events[step.event] += 1
            target = self._numbers.get(step.state)
            if target is None:
                target = self._add(step.state, number, step.event, step.node)
            sources.append(number)
            targets.append(target)

    def _add(self, state: State, parent: int, event: str, node: int) -> int:
        number = len(self._states)
        self._states.append(state)
        self._numbers[state] = number
        self._reached_by.append((parent, event, node))
        for answer in state.answers:
            if answer is not None:
                self._result.events[f"answer {answer.kind}"] += 1
        broken = next((i.__name__ for i in INVARIANTS if not i(self._rules.scenario, state)), None)
        if broken is not None and self._result.violation is None:
            self._result.violation = self._violation(broken, number)
        return number

    def _check_all_can_settle(self) -> None:
        """From every state there is a way on to one where every client has its answer."""
        live = self._backwards_from([n for n, state in enumerate(self._states) if is_settled(state)])
        stuck = next((number for number, alive in enumerate(live) if not alive), None)
        if stuck is not None:
            self._result.violation = self._violation(EVERY_SEND_CAN_BE_ANSWERED, stuck)

    def _backwards_from(self, frontier: list[int]) -> bytearray:
        sources_of: list[list[int]] = [[] for _ in self._states]
        for source, target in zip(*self._edges, strict=True):
            sources_of[target].append(source)
        live = bytearray(len(self._states))
        while frontier:
            number = frontier.pop()
            if not live[number]:
                live[number] = 1
                frontier.extend(sources_of[number])
        return live

    def _violation(self, invariant: str, number: int) -> Violation:
        trace: list[Step] = []
        while number:
            parent, event, node = self._reached_by[number]
            trace.append(Step(event, node, self._states[number]))
            number = parent
        return Violation(invariant, self._states[0], tuple(reversed(trace)))


def explore(rules: Rules) -> Exploration:
    """Search every interleaving of a scenario under its rules."""
    return Explorer(rules).explore()
