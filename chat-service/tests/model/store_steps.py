"""What the store does: it executes inserts, replicates them, fails over, and loses what nobody waits for."""

from collections.abc import Iterator

from .flaws import Flaw, Rules
from .room_state import Command, State, Step, same_key


def store_steps(rules: Rules, state: State) -> Iterator[Step]:
    """Every step that the store may take now."""
    for command in state.commands:
        if not command.finished:
            yield _execute(rules, state, command)
        if command.done and not command.abandoned and state.timeouts_left:
            yield _repeat(state, command)
        if command.abandoned:
            yield Step("abandoned insert vanishes", command.node, _without(state, command))
    if state.committed < len(state.log):
        yield Step("majority holds one more entry", -1, state._replace(committed=state.committed + 1))
    if state.failovers_left:
        yield _fail_over(state)


def put_command(state: State, command: Command) -> State:
    """The state with one more insert in flight; equal abandoned inserts count as one."""
    return state._replace(commands=tuple(sorted({*state.commands, command})))


def replace_command(state: State, old: Command, new: Command) -> State:
    """An insert that came further; one that nobody waits for is dropped when nothing can restart it."""
    state = _without(state, old)
    over = new.stopped or (new.finished and not state.failovers_left)
    return state if new.abandoned and over else put_command(state, new)


def _without(state: State, command: Command) -> State:
    return state._replace(commands=tuple(other for other in state.commands if other != command))


def _execute(rules: Rules, state: State, command: Command) -> Step:
    timing = "late insert" if command.abandoned else "insert"
    seq = command.first + command.done
    if seq <= len(state.log):
        state = _refuse(rules, state, command)
        return Step(f"{timing} refused: seq taken", command.node, state)
    if _key_conflicts(rules, state, command):
        return Step(f"{timing} refused: key indexed", command.node, _refuse(rules, state, command))
    state = replace_command(_append(rules, state, command), command, command._replace(done=command.done + 1))
    return Step(f"{timing} applied", command.node, state)


def _repeat(state: State, command: Command) -> Step:
    """The driver lost the answer and sent the insert again: it meets its own entries and stores nothing."""
    state = replace_command(state, command, command._replace(done=0, stopped=True))
    state = state._replace(timeouts_left=state.timeouts_left - 1)
    return Step("driver repeats an insert that was stored", command.node, state)


def _append(rules: Rules, state: State, command: Command) -> State:
    log = (*state.log, command.entries[command.done])
    # Without fail-overs nothing can tell applied from replicated, so the two are one step.
    committed = state.committed if rules.scenario.failovers else len(log)
    hole = command.first + command.done > len(log)
    return state._replace(log=log, committed=committed, hole=state.hole or hole)


def _refuse(rules: Rules, state: State, command: Command) -> State:
    rest = command.entries[command.done + 1 :]
    state = replace_command(state, command, command._replace(stopped=True))
    if rest and rules.flaw is Flaw.UNORDERED_INSERT:
        after = Command(command.node, command.first + command.done + 1, rest, abandoned=True)
        state = put_command(state, after)
    return state


def _key_conflicts(rules: Rules, state: State, command: Command) -> bool:
    if not rules.scenario.unique_keys:
        return False
    sends = rules.scenario.sends
    wanted = sends[command.entries[command.done].send]
    return any(same_key(sends[entry.send], wanted) for entry in state.log)


def _fail_over(state: State) -> Step:
    """The new primary has what a majority held; inserts in flight go on from there, or never."""
    state = state._replace(
        log=state.log[: state.committed],
        commands=tuple(sorted({_after_fail_over(state, command) for command in state.commands})),
        failovers_left=state.failovers_left - 1,
    )
    return Step("store fails over", -1, state)


def _after_fail_over(state: State, command: Command) -> Command:
    kept = max(0, state.committed - command.first + 1)
    return command._replace(done=min(command.done, kept))
