"""The append rules as a transition system: the first state of a scenario and the steps from any state."""

from collections.abc import Iterator

from .client_steps import client_steps
from .flaws import Rules
from .handover_steps import handover_steps
from .room_state import Answer, Entry, Scenario, State, Step, Writer
from .store_steps import store_steps
from .writer_steps import writer_steps


def first_state(scenario: Scenario) -> State:
    """The history is stored, its keys are out of memory, and all that waits for no answer is waiting."""
    history = tuple(Entry(send, scenario.sends[send].node) for send in scenario.history)
    unsent = {i for i, send in enumerate(scenario.sends) if send.follows is not None}
    answers: list[Answer | None] = [None] * len(scenario.sends)
    for seq, entry in enumerate(history, start=1):
        answers[entry.send] = Answer("ack", seq, entry)
    return State(
        log=history,
        committed=len(history),
        hole=False,
        commands=(),
        writers=(_first_writer(scenario, 0, history), _first_writer(scenario, 1, history)),
        answers=tuple(answers),
        unsent=frozenset(unsent),
        closed=frozenset(),
        doubts=frozenset(),
        handovers=frozenset(),
        replies=frozenset(),
        published=frozenset(),
        timeouts_left=scenario.timeouts,
        deadlines_left=scenario.deadlines,
        failovers_left=scenario.failovers,
        crashes_left=scenario.crashes,
        handovers_left=scenario.handovers,
    )


def _first_writer(scenario: Scenario, node: int, history: tuple[Entry, ...]) -> Writer:
    waiting = tuple(
        i
        for i, send in enumerate(scenario.sends)
        if send.node == node and send.follows is None and i not in scenario.history
    )
    return Writer(waiting=waiting, known=history, forgotten=len(history))


def steps(rules: Rules, state: State) -> Iterator[Step]:
    """Every step that anybody may take in this state."""
    yield from writer_steps(rules, state)
    yield from store_steps(rules, state)
    if rules.scenario.handovers:
        yield from handover_steps(rules, state)
    yield from client_steps(rules, state)


def is_settled(state: State) -> bool:
    """Whether every client has its answer."""
    return None not in state.answers
