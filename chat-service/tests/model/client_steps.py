"""What happens at a node's door: clients that send on after an answer, and nodes that are killed."""

from collections.abc import Iterator

from .flaws import Flaw, Rules
from .room_state import NODES, Answer, State, Step, Writer, doubt_of, put_answer, with_writer
from .store_steps import replace_command


def client_steps(rules: Rules, state: State) -> Iterator[Step]:
    """Every send that a client may make now, and every crash."""
    for send in sorted(state.unsent):
        follows = rules.scenario.sends[send].follows
        if follows is None or state.answers[follows] is not None:
            yield _receive(rules, state, send)
    if state.crashes_left:
        for node in NODES:
            yield Step("is killed and starts again", node, _crashed(rules, state, node))


def _receive(rules: Rules, state: State, send: int) -> Step:
    sent = rules.scenario.sends[send]
    state = state._replace(unsent=state.unsent - {send})
    if sent.connection in state.closed:
        state = put_answer(state, send, Answer("failed"))
        return Step("refuses a send on a closed connection", sent.node, state)
    doubted = {doubt for doubt in state.doubts if doubt.connection == sent.connection}
    if rules.flaw is Flaw.DOUBTS_ARE_OF_KEYS:
        admitted = sent.key in {doubt.key for doubt in doubted}
    else:
        admitted = doubt_of(sent) in doubted
    if doubted and not admitted:
        state = put_answer(state, send, Answer("failed"))
        return Step("refuses a send while another one is in doubt", sent.node, state)
    writer = state.writers[sent.node]
    writer = writer._replace(waiting=(*writer.waiting, send))
    if doubted and rules.flaw is not Flaw.REPEAT_IS_REFUSED:
        writer = writer._replace(tried=writer.tried | {send}, doubtful=writer.doubtful | {send})
    event = "receives a send that is in doubt" if doubted else "receives a send"
    return Step(event, sent.node, with_writer(state, sent.node, writer))


def _crashed(rules: Rules, state: State, node: int) -> State:
    """What the process held is gone; its inserts and hand-overs in flight are not."""
    writer = state.writers[node]
    own = [s for s in writer.handed_over + writer.waiting if rules.scenario.sends[s].node == node]
    for send in own:
        state = put_answer(state, send, Answer("unknown"))
    for command in state.commands:
        if command.node == node and not command.abandoned:
            state = replace_command(state, command, command._replace(abandoned=True))
    state = state._replace(
        closed=state.closed | {rules.scenario.sends[send].connection for send in own},
        # A node's bus channel carries the name of its incarnation.
        handovers=frozenset(h for h in state.handovers if h.origin == node),
        replies=frozenset(r for r in state.replies if rules.scenario.sends[r.send].node != node),
        crashes_left=state.crashes_left - 1,
    )
    restarted = Writer(waiting=(), known=(), forgotten=0, must_read=True, cold=True)
    return with_writer(state, node, restarted)
