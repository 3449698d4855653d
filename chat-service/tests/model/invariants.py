"""What has to hold in every state, whatever was interleaved, lost, repeated or late."""

from collections.abc import Callable

from .room_state import Answer, Scenario, State, same_key

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
    refused = {send for send, _ in _answers(state, "refused", "failed", "key_reused")}
    # To whoever sent it, a refusal speaks of what they sent before on this connection under that key as well.
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
    one, other = scenario.sends[earlier], scenario.sends[later]
    return earlier <= later and one.connection == other.connection and one.key == other.key


def refusal_has_reason(scenario: Scenario, state: State) -> bool:
    """Permission is refused only where the log says why."""
    bans = {scenario.sends[entry.send].bans for entry in state.log}
    return all(scenario.sends[send].sender in bans for send, _ in _answers(state, "refused"))


def nothing_after_ban(scenario: Scenario, state: State) -> bool:
    """No entry of a banned sender comes after the ban."""
    banned: set[str] = set()
    for entry in state.log:
        send = scenario.sends[entry.send]
        if send.sender in banned:
            return False
        banned = (banned | {send.bans}) - {send.lifts, ""}
    return True


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
    connection_order,
)
EVERY_SEND_CAN_BE_ANSWERED = "every_send_can_be_answered"
