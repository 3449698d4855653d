"""A counterexample as readable lines: who did what, and what it changed for everyone to see."""

from collections.abc import Iterator

from .explorer import Exploration
from .flaws import Rules
from .invariants import EVERY_SEND_CAN_BE_ANSWERED
from .room_state import NODE_NAMES, Answer, Command, Entry, State


def describe(exploration: Exploration) -> str:
    """The violated invariant and the steps that lead to it; what the search covered where there is none."""
    rules, violation = exploration.rules, exploration.violation
    if violation is None:
        return f"{rules.scenario.name}: no violation in {exploration.states} states"
    lines = [
        f"{rules.scenario.name}: {violation.invariant} is violated",
        f"rules: {rules.flaw or 'as designed'}",
        f"log: {_log(rules, violation.first)}",
    ]
    before = violation.first
    for number, step in enumerate(violation.trace, start=1):
        who = NODE_NAMES[step.node] if step.node >= 0 else "store"
        changes = "; ".join(_changes(rules, before, step.state))
        lines.append(f"{number:>3}. {who}: {step.event}" + (f" -- {changes}" if changes else ""))
        before = step.state
    if violation.invariant == EVERY_SEND_CAN_BE_ANSWERED:
        waiting = (n for n, answer in enumerate(before.answers) if answer is None)
        names = ", ".join(rules.scenario.sends[send].name for send in waiting)
        lines.append(f"     from here on one of these is never answered: {names}")
    return "\n".join(lines)


def _changes(rules: Rules, before: State, after: State) -> Iterator[str]:
    for command in after.commands:
        if command not in before.commands and command.done == 0 and not command.finished:
            yield _command(rules, command)
    if before.log != after.log:
        yield f"log: {_log(rules, after)}"
    for send, answer in enumerate(after.answers):
        if answer is not None and before.answers[send] is None:
            yield f"{rules.scenario.sends[send].name} is answered {_answer(answer)}"
    for handover in after.handovers - before.handovers:
        yield f"[{', '.join(rules.scenario.sends[send].name for send in handover.sends)}]"


def _command(rules: Rules, command: Command) -> str:
    names = ", ".join(rules.scenario.sends[entry.send].name for entry in command.entries)
    waits = ", nobody waits for it" if command.abandoned else ""
    return f"[{names}] from seq {command.first}{waits}"


def _log(rules: Rules, state: State) -> str:
    return ", ".join(_entry(rules, seq, entry) for seq, entry in enumerate(state.log, start=1)) or "empty"


def _entry(rules: Rules, seq: int, entry: Entry) -> str:
    return f"{seq}={rules.scenario.sends[entry.send].name} (by {NODE_NAMES[entry.node]})"


def _answer(answer: Answer) -> str:
    return f"{answer.kind} {answer.seq}" if answer.seq else answer.kind
