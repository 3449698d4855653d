"""What a writer does: it takes a batch, reads, checks, inserts, and takes the outcome."""

from collections.abc import Iterator

from .answering import give_up_in_batch, settle, settle_stored
from .flaws import Flaw, Rules
from .room_state import NODES, Answer, Command, Entry, Published, State, Step, Writer, with_writer
from .store_steps import put_command, replace_command
from .verdicts import plan_batch, view_of


def writer_steps(rules: Rules, state: State) -> Iterator[Step]:
    """Every step that either writer may take now."""
    for node in NODES:
        writer = state.writers[node]
        if writer.phase == "idle":
            yield from _take_batch(rules, state, node)
        elif writer.phase == "read last":
            yield _read_last(rules, state, node)
        elif writer.phase == "read entries":
            yield _read_entries(state, node)
        elif writer.phase == "check":
            yield _check(rules, state, node)
        else:
            yield from _end_insert(rules, state, node)
        yield from _reach_deadline(rules, state, node)
        yield from _hear(state, node)


def _take_batch(rules: Rules, state: State, node: int) -> Iterator[Step]:
    writer = state.writers[node]
    if writer.handed_over and rules.flaw is not Flaw.INSERTS_WHILE_HANDED_OVER:
        return
    # Every size stands for sends that arrived in time for the batch, or too late for it.
    for size in range(1, min(len(writer.waiting), rules.scenario.batch_limit) + 1):
        taken = writer._replace(
            phase="read last" if writer.must_read else "check",
            batch=writer.waiting[:size],
            confirmed=False,
        )
        yield Step(f"takes a batch of {size}", node, with_writer(state, node, taken))


def _reach_deadline(rules: Rules, state: State, node: int) -> Iterator[Step]:
    """The time of the first send is up, whatever its writer is waiting for.

    Of the moments between taking a batch and inserting it one stands for all: nothing is judged before it.
    """
    writer = state.writers[node]
    if not (state.deadlines_left and writer.waiting):
        return
    send = writer.waiting[0]
    left = state._replace(deadlines_left=state.deadlines_left - 1)
    if send in writer.batch and writer.phase == "check":
        given_up = give_up_in_batch(rules, left, node, send)
        yield Step("gives up a send that is being decided", node, given_up)
    elif send in writer.tried and writer.phase in {"idle", "insert"}:
        given_up = settle(rules, left, node, send, Answer("unknown"))
        yield Step("gives up a send with unknown outcome", node, given_up)


def _read_last(rules: Rules, state: State, node: int) -> Step:
    uncommitted = rules.flaw is Flaw.READS_UNCOMMITTED
    last = len(state.log) if uncommitted else state.committed
    writer = state.writers[node]._replace(phase="read entries", last=last)
    waits = last < len(state.log) and writer.unsettled
    event = "reads last, a taken seq is not visible yet" if waits else "reads last"
    return Step(event, node, with_writer(state, node, writer))


def _read_entries(state: State, node: int) -> Step:
    writer = state.writers[node]
    known = max(writer.known, state.log[: writer.last], key=len)
    writer = writer._replace(
        phase="check",
        last=0,
        known=known,
        forgotten=len(known) if writer.cold else writer.forgotten,
        must_read=False,
        cold=False,
        confirmed=True,
    )
    return Step("reads the new entries", node, with_writer(state, node, writer))


def _check(rules: Rules, state: State, node: int) -> Step:
    """Look up keys, judge the batch, and send the insert.

    One step although a look-up is awaited: what it found never changes, and what is heard of meanwhile is in
    memory when the batch is judged. Between the judgement and sending the insert there is no await.
    """
    writer = state.writers[node]
    plan = plan_batch(rules, view_of(rules, state, node), writer.batch)
    refuses = any(answer.kind in {"refused", "gone"} for _, answer in plan.settled)
    if refuses and not writer.confirmed and rules.flaw is not Flaw.REFUSES_ON_KNOWN_LAST:
        state = with_writer(state, node, writer._replace(phase="read last"))
        return Step("reads before it refuses", node, state)
    for send, answer in plan.settled:
        state = settle(rules, state, node, send, answer)
    if not plan.kept:
        idle = state.writers[node]._replace(phase="idle", batch=(), confirmed=False)
        return Step("answers the whole batch from the log", node, with_writer(state, node, idle))
    cut = len(plan.kept) + len(plan.settled) < len(writer.batch)
    event = "cuts the batch and inserts" if cut else "inserts"
    return Step(event, node, _insert(rules, state, node, plan.kept))


def _insert(rules: Rules, state: State, node: int, kept: tuple[int, ...]) -> State:
    writer = state.writers[node]
    if rules.flaw is Flaw.BATCH_GROWS_AFTER_CHECK:
        kept += tuple(send for send in writer.waiting if send not in kept)
    command = Command(node, _first_seq(rules, state, writer), tuple(Entry(send, node) for send in kept))
    state = put_command(state, command)
    writer = writer._replace(
        phase="insert",
        batch=kept,
        confirmed=False,
        tried=writer.tried | set(kept),
    )
    state = with_writer(state, node, writer)
    if rules.flaw is Flaw.ACK_BEFORE_INSERT:
        state = settle_stored(rules, state, node, command.first, command.entries)
    if rules.flaw is Flaw.PUBLISHES_BEFORE_CONFIRMATION:
        state = _publish(rules, state, command.first, command.entries)
    return state


def _first_seq(rules: Rules, state: State, writer: Writer) -> int:
    if rules.flaw is Flaw.LAST_TAKEN_AFTER_CHECK:
        return state.committed + 1
    guesses = rules.flaw in {Flaw.SKIPS_INVISIBLE_SEQ, Flaw.RENUMBERS_WITHOUT_READING}
    if guesses and writer.unsettled:
        return len(state.log) + 1
    return len(writer.known) + 1


def _end_insert(rules: Rules, state: State, node: int) -> Iterator[Step]:
    command = next(one for one in state.commands if one.node == node and not one.abandoned)
    held = command.first + command.done - 1 <= state.committed
    if command.finished and (held or rules.flaw is Flaw.ACK_BEFORE_MAJORITY):
        yield _take_outcome(rules, state, command)
    if state.timeouts_left:
        yield _time_out(rules, state, command)


def _take_outcome(rules: Rules, state: State, command: Command) -> Step:
    """The length of the stored prefix is all that comes back, never a reason."""
    node, stored = command.node, command.entries[: command.done]
    complete = len(stored) == len(command.entries)
    state = state._replace(commands=tuple(other for other in state.commands if other != command))
    writer = state.writers[node]
    writer = writer._replace(
        phase="idle",
        batch=(),
        known=max(writer.known, writer.known[: command.first - 1] + stored, key=len),
        must_read=not complete,
        unsettled=not complete,
        has_lost=writer.has_lost or (not complete and state.handovers_left > 0),
    )
    state = settle_stored(rules, with_writer(state, node, writer), node, command.first, stored)
    state = _publish(rules, state, command.first, stored)
    if not complete and rules.flaw is Flaw.SHORT_APPEND_IS_FAILURE:
        state = settle(rules, state, node, command.entries[command.done].send, Answer("failed"))
    return Step("append stored all" if complete else "append came back short", node, state)


def _publish(rules: Rules, state: State, first: int, entries: tuple[Entry, ...]) -> State:
    if not rules.scenario.publishes:
        return state
    published = {Published(seq, entry) for seq, entry in enumerate(entries, start=first)}
    return state._replace(published=state.published | published)


def _time_out(rules: Rules, state: State, command: Command) -> Step:
    node = command.node
    state = replace_command(state, command, command._replace(abandoned=True))
    state = state._replace(timeouts_left=state.timeouts_left - 1)
    writer = state.writers[node]
    writer = writer._replace(
        phase="idle",
        batch=(),
        must_read=rules.flaw is not Flaw.RENUMBERS_WITHOUT_READING,
        unsettled=True,
    )
    state = with_writer(state, node, writer)
    if rules.flaw is Flaw.TIMEOUT_IS_STORED:
        state = settle_stored(rules, state, node, command.first, command.entries)
    if rules.flaw is Flaw.TIMEOUT_IS_FAILURE:
        state = settle(rules, state, node, command.entries[0].send, Answer("failed"))
    return Step("stops waiting for its insert", node, state)


def _hear(state: State, node: int) -> Iterator[Step]:
    writer = state.writers[node]
    for message in sorted(state.published):
        if message.seq == len(writer.known) + 1:
            heard = writer._replace(known=(*writer.known, message.entry))
            yield Step("hears a published entry", node, with_writer(state, node, heard))
