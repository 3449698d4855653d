"""What has to hold in every state, whatever was interleaved, lost, repeated or late."""

from collections.abc import Callable

from .answering import LASTING
from .room_state import Answer, AnswerKind, Doubt, Scenario, State, doubt_of, same_key

Invariant = Callable[[Scenario, State], bool]


def no_holes(_: Scenario, state: State) -> bool:
    """Entries have the seqs 1 to n."""
    return not state.hole


def one_entry_per_key(scenario: Scenario, state: State) -> bool:
    """A sender's key is stored at most once."""
    stored = {(scenario.sends[e.send].sender, scenario.sends[e.send].key) for e in state.log}
    return len(stored) == len(state.log)


def acked_stays(scenario: Scenario, state: State) -> bool:
    """What was answered with a seq and an id is at that seq with that id, key and digest, for ever."""
    for send, answer in _answers(state, "ack", "duplicate"):
        if answer.entry is None or state.log[answer.seq - 1 : answer.seq] != (answer.entry,):
            return False
        stored, wanted = scenario.sends[answer.entry.send], scenario.sends[send]
        if not same_key(stored, wanted) or stored.digest != wanted.digest:
            return False
    return True


def one_seq_per_key(scenario: Scenario, state: State) -> bool:
    """Every repeat of a key is answered with the same seq."""
    seqs: dict[tuple[str, str], int] = {}
    for send, answer in _answers(state, "ack", "duplicate"):
        sent = scenario.sends[send]
        if seqs.setdefault((sent.sender, sent.key), answer.seq) != answer.seq:
            return False
    return True


def key_reused_is_true(scenario: Scenario, state: State) -> bool:
    """`key_reused` is said only where another digest is stored under that key."""
    for send, _ in _answers(state, "key_reused"):
        wanted = scenario.sends[send]
        stored = [scenario.sends[e.send] for e in state.log if same_key(scenario.sends[e.send], wanted)]
        if not stored or any(other.digest == wanted.digest for other in stored):
            return False
    return True


def refused_never_stored(scenario: Scenario, state: State) -> bool:
    """A definite refusal never appears in the log."""
    refused = {send for send, _ in _answers(state, "refused", "gone", "failed", "key_reused")}
    # To whoever sent it, a refusal speaks of what they sent before on this connection as the same request as well.
    if any(_repeats(scenario, entry.send, send) for entry in state.log for send in refused):
        return False
    if any(send.lifts for send in scenario.sends):
        return True  # A refusal then speaks of its own attempt only: another may come after the lift.
    for send, _ in _answers(state, "refused"):
        wanted = scenario.sends[send]
        if any(same_key(scenario.sends[entry.send], wanted) for entry in state.log):
            return False
    return True


def _repeats(scenario: Scenario, earlier: int, later: int) -> bool:
    return earlier <= later and doubt_of(scenario.sends[earlier]) == doubt_of(scenario.sends[later])


def refusal_has_reason(scenario: Scenario, state: State) -> bool:
    """Permission is refused, and something said to be gone, only where the log says why."""
    bans = {scenario.sends[entry.send].bans for entry in state.log}
    deleted = {scenario.sends[entry.send].deletes for entry in state.log}
    return all(scenario.sends[send].sender in bans for send, _ in _answers(state, "refused")) and all(
        scenario.sends[send].about in deleted for send, _ in _answers(state, "gone")
    )


def nothing_after_ban(scenario: Scenario, state: State) -> bool:
    """No entry of a banned sender comes after the ban."""
    banned: set[str] = set()
    for entry in state.log:
        send = scenario.sends[entry.send]
        if send.sender in banned:
            return False
        banned = (banned | {send.bans}) - {send.lifts, ""}
    return True


def nothing_after_deletion(scenario: Scenario, state: State) -> bool:
    """No entry about a message comes after its deletion."""
    deleted: set[str] = set()
    for entry in state.log:
        send = scenario.sends[entry.send]
        if send.about in deleted:
            return False
        deleted |= {send.deletes} - {""}
    return True


def doubt_ends(scenario: Scenario, state: State) -> bool:
    """Once a request has an answer that lasts, its connection may go on."""
    answered: dict[Doubt, AnswerKind] = {}
    for send, answer in enumerate(state.answers):
        if answer is not None:
            answered[doubt_of(scenario.sends[send])] = answer.kind
    return not any(answered.get(doubt) in LASTING for doubt in state.doubts)


def connection_order(scenario: Scenario, state: State) -> bool:
    """What one connection sends is stored in the order sent, and nothing waiting outlives a failed one."""
    for position, entry in enumerate(state.log):
        send = scenario.sends[entry.send]
        for earlier in range(entry.send):
            if scenario.sends[earlier].connection != send.connection:
                continue
            before = _is_stored(scenario, state, earlier, position)
            if send.follows is None and not before:
                return False
            if not before and any(later.send == earlier for later in state.log[position:]):
                return False
    return True


def _is_stored(scenario: Scenario, state: State, send: int, end: int) -> bool:
    wanted = scenario.sends[send]
    stored = (scenario.sends[entry.send] for entry in state.log[:end])
    return any(same_key(other, wanted) and other.digest == wanted.digest for other in stored)


def _answers(state: State, *kinds: str) -> list[tuple[int, Answer]]:
    return [(i, answer) for i, answer in enumerate(state.answers) if answer and answer.kind in kinds]


INVARIANTS: tuple[Invariant, ...] = (
    no_holes,
    one_entry_per_key,
    acked_stays,
    one_seq_per_key,
    key_reused_is_true,
    refused_never_stored,
    refusal_has_reason,
    nothing_after_ban,
    nothing_after_deletion,
    doubt_ends,
    connection_order,
)
EVERY_SEND_CAN_BE_ANSWERED = "every_send_can_be_answered"
