"""Handing a batch over to the other node's writer, over a bus that loses, repeats and reorders."""

from collections.abc import Iterator

from .answering import settle
from .flaws import Flaw, Rules
from .room_state import NODES, Answer, Handover, State, Step, Writer, with_writer


def handover_steps(rules: Rules, state: State) -> Iterator[Step]:
    """Every step of a hand-over that may happen now."""
    for node in NODES:
        yield from _hand_over(rules, state, node)
        if state.writers[node].handed_over:
            yield _give_up_waiting(rules, state, node)
    for handover in sorted(state.handovers):
        yield from _take(rules, state, handover)
    yield from _relay_replies(rules, state)


def _hand_over(rules: Rules, state: State, node: int) -> Iterator[Step]:
    writer = state.writers[node]
    if not state.handovers_left or not writer.has_lost or not _may_hand_over(rules, writer):
        return
    free = tuple(send for send in writer.waiting if send not in writer.batch)
    # What came from the other node is never handed on: it would only travel in circles.
    own = tuple(send for send in free if rules.scenario.sends[send].node == node)
    for size in range(1, min(len(own), rules.scenario.batch_limit) + 1):
        yield Step(f"hands {size} over", node, _sent_over(rules, state, node, own[:size]))


def _may_hand_over(rules: Rules, writer: Writer) -> bool:
    if writer.handed_over:
        return rules.flaw is Flaw.HANDS_OVER_TWICE
    return writer.phase == "idle" or (writer.phase == "insert" and rules.flaw is Flaw.HANDS_OVER_WHILE_INSERTING)


def _sent_over(rules: Rules, state: State, node: int, sends: tuple[int, ...]) -> State:
    writer = state.writers[node]
    number = rules.scenario.handovers - state.handovers_left
    writer = writer._replace(
        waiting=tuple(send for send in writer.waiting if send not in sends),
        handed_over=writer.handed_over + sends,
        tried=writer.tried | set(sends),
    )
    state = state._replace(
        handovers=state.handovers | {Handover(number, node, sends)}, handovers_left=state.handovers_left - 1
    )
    return with_writer(state, node, writer)


def _give_up_waiting(rules: Rules, state: State, node: int) -> Step:
    """No answer is an unknown outcome: the batch is back at the head of the queue, to be read and checked."""
    writer = state.writers[node]
    handed = writer.handed_over
    writer = writer._replace(
        waiting=handed + writer.waiting,
        handed_over=(),
        doubtful=writer.doubtful | set(handed),
        must_read=True,
        unsettled=True,
    )
    if rules.flaw is Flaw.LOST_REPLY_IS_FAILURE:
        writer = writer._replace(doubtful=frozenset())
        state = settle(rules, with_writer(state, node, writer), node, handed[0], Answer("failed"))
    else:
        state = with_writer(state, node, writer)
    return Step("stops waiting for its hand-over", node, state)


def _take(rules: Rules, state: State, handover: Handover) -> Iterator[Step]:
    node = 1 - handover.origin
    writer = state.writers[node]
    is_old = any(handover.number <= one.number for one in writer.served)
    if is_old and rules.flaw is not Flaw.HANDOVER_TAKEN_TWICE:
        return
    sends = tuple(send for send in handover.sends if send not in writer.waiting)
    taken = writer._replace(
        waiting=writer.waiting + sends,
        served=writer.served | {handover},
    )
    left = state.handovers if rules.scenario.bus_repeats else state.handovers - {handover}
    yield Step("takes a hand-over", node, with_writer(state._replace(handovers=left), node, taken))


def _relay_replies(rules: Rules, state: State) -> Iterator[Step]:
    for reply in sorted(state.replies):
        node = rules.scenario.sends[reply.send].node
        rest = state._replace(replies=state.replies - {reply})
        yield Step("relays a hand-over's answer", node, _relayed(rules, rest, node, reply.send, reply.answer))


def _relayed(rules: Rules, state: State, node: int, send: int, answer: Answer) -> State:
    # The batch was stored by the other node, so this node's view of the log's end is old.
    writer = state.writers[node]._replace(must_read=True)
    return settle(rules, with_writer(state, node, writer), node, send, answer)
