"""Answering a send: to its client, or to the node that handed it over; and what a failure takes with it."""

from .flaws import Flaw, Rules
from .room_state import Answer, AnswerKind, Entry, Reply, State, doubt_of, put_answer, with_writer
from .verdicts import goes_along

LASTING: frozenset[AnswerKind] = frozenset({"ack", "duplicate", "key_reused", "gone"})
"""Answers that nothing appended later can change: they end a doubt."""


def settle(rules: Rules, state: State, node: int, send: int, answer: Answer) -> State:
    """Answer a send; one that failed takes the later waiting ones of its connection with it."""
    allowed = _as_allowed(rules, state, node, send, answer)
    alone = allowed != answer and rules.flaw is Flaw.DOUBTFUL_REFUSAL_TAKES_NOTHING
    answer = allowed
    followers = _followers(rules, state, node, send) if _is_failure(answer) and not alone else ()
    state = _tell(rules, state, node, send, answer)
    for follower in followers:
        outcome = _follower_answer(rules, state, node, follower, answer)
        state = _tell(rules, state, node, follower, outcome)
    return state


def give_up_in_batch(rules: Rules, state: State, node: int, send: int) -> State:
    """Answer a send whose batch is on its way, and what stands behind it.

    The batch goes on with them: whether they are inserted is unknown from the moment it was taken.
    """
    connection = rules.scenario.sends[send].connection
    writer = state.writers[node]
    given_up = [o for o in writer.waiting if o >= send and rules.scenario.sends[o].connection == connection]
    kind: AnswerKind = "failed" if rules.flaw is Flaw.DEADLINE_FAILS_BATCH else "unknown"
    for one in given_up:
        if one not in writer.batch:
            state = _tell(rules, state, node, one, _follower_answer(rules, state, node, one, Answer("unknown")))
        elif rules.scenario.sends[one].node == node:
            state = _tell_client(rules, state, node, one, Answer(kind))
    writer = state.writers[node]
    return with_writer(state, node, writer._replace(waiting=tuple(o for o in writer.waiting if o not in given_up)))


def settle_stored(rules: Rules, state: State, node: int, first: int, entries: tuple[Entry, ...]) -> State:
    """Acknowledge entries that the store has confirmed from seq `first` on."""
    for seq, entry in enumerate(entries, start=first):
        state = settle(rules, state, node, entry.send, Answer("ack", seq, entry))
    return state


def _is_failure(answer: Answer) -> bool:
    return answer.kind not in {"ack", "duplicate"}


def _as_allowed(rules: Rules, state: State, node: int, send: int, answer: Answer) -> Answer:
    # What becomes of a hand-over that was given up is not known here: its receiver may see a lifted ban. Nothing
    # brings back what was deleted, or frees a key: those answers are the same on every node.
    doubtful = send in state.writers[node].doubtful and rules.flaw is not Flaw.DOUBTFUL_SEND_IS_REFUSED
    return Answer("unknown") if doubtful and answer.kind in {"refused", "failed"} else answer


def _followers(rules: Rules, state: State, node: int, send: int) -> tuple[int, ...]:
    writer = state.writers[node]
    held = writer.handed_over + writer.waiting
    return tuple(other for other in held if goes_along(rules, node, writer.served, send, other))


def _follower_answer(rules: Rules, state: State, node: int, follower: int, cause: Answer) -> Answer:
    if follower in state.writers[node].tried and rules.flaw is not Flaw.TRIED_FOLLOWER_FAILS:
        return Answer("unknown")
    # A receiver that gives up proves nothing: the origin's own insert of the follower may be on its way.
    foreign = rules.scenario.sends[follower].node != node
    if foreign and cause.kind == "unknown" and rules.flaw is not Flaw.RECEIVER_FAILS_UNTRIED:
        return Answer("unknown")
    return Answer("failed")


def _tell(rules: Rules, state: State, node: int, send: int, answer: Answer) -> State:
    if rules.scenario.sends[send].node == node:
        state = _tell_client(rules, state, node, send, answer)
    else:
        state = _tell_origin(state, send, answer)
    return _forget(state, node, send)


def _tell_client(rules: Rules, state: State, node: int, send: int, answer: Answer) -> State:
    writer = state.writers[node]
    if answer.kind == "unknown" and (send in writer.doubtful or send in writer.handed_over):
        # No seq fences a hand-over off: its receiver may store it behind whatever is sent next.
        state = _doubt(rules, state, send)
    if answer.kind in LASTING and not (answer.kind == "gone" and rules.flaw is Flaw.DOUBT_OUTLIVES_ITS_ANSWER):
        state = _end_doubt(rules, state, send)
    return put_answer(state, send, answer)


def _end_doubt(rules: Rules, state: State, send: int) -> State:
    ended = doubt_of(rules.scenario.sends[send])
    if rules.flaw is Flaw.DOUBTS_ARE_OF_KEYS:
        return state._replace(doubts=frozenset(one for one in state.doubts if one[:2] != ended[:2]))
    return state._replace(doubts=state.doubts - {ended})


def _doubt(rules: Rules, state: State, send: int) -> State:
    if rules.flaw is Flaw.CONNECTION_GOES_ON_AFTER_UNKNOWN:
        return state
    return state._replace(doubts=state.doubts | {doubt_of(rules.scenario.sends[send])})


def _tell_origin(state: State, send: int, answer: Answer) -> State:
    if answer.kind == "unknown" or state.answers[send] is not None:
        return state
    return state._replace(replies=state.replies | {Reply(send, answer)})


def _forget(state: State, node: int, send: int) -> State:
    writer = state.writers[node]
    return with_writer(
        state,
        node,
        writer._replace(
            waiting=tuple(other for other in writer.waiting if other != send),
            batch=tuple(other for other in writer.batch if other != send),
            tried=writer.tried - {send},
            handed_over=tuple(other for other in writer.handed_over if other != send),
            doubtful=writer.doubtful - {send},
        ),
    )
