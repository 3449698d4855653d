"""Every deliberately broken rule breaks the invariant that it is there for, with a trace to read."""

import pytest

from . import scenarios
from .explorer import explore
from .flaws import Flaw, Rules
from .invariants import (
    EVERY_SEND_CAN_BE_ANSWERED,
    acked_stays,
    connection_order,
    doubt_ends,
    key_reused_is_true,
    no_holes,
    nothing_after_ban,
    one_entry_per_key,
    refusal_has_reason,
    refused_never_stored,
)
from .room_state import Scenario
from .trace import describe

ONE_ENTRY = one_entry_per_key.__name__
ACKED = acked_stays.__name__
REFUSED = refused_never_stored.__name__
BANNED = nothing_after_ban.__name__
ORDER = connection_order.__name__

CAUGHT_BY: dict[Flaw, tuple[Scenario, str]] = {
    Flaw.KEYS_UNCHECKED_AFTER_LOST_RACE: (scenarios.REPEAT_ON_BOTH_NODES, ONE_ENTRY),
    Flaw.PERMISSIONS_UNCHECKED_AFTER_LOST_RACE: (scenarios.BAN_ON_OTHER_NODE, BANNED),
    Flaw.KEYS_CHECKED_IN_MEMORY_ONLY: (scenarios.KEYS_BEYOND_MEMORY, ONE_ENTRY),
    Flaw.KEYS_NOT_COMPARED_IN_BATCH: (scenarios.REPEAT_IN_BATCH, ONE_ENTRY),
    Flaw.PERMISSIONS_IGNORE_BATCH: (scenarios.BAN_IN_BATCH, BANNED),
    Flaw.REFUSES_FOR_UNSTORED_ENTRY: (scenarios.BAN_IN_BATCH, refusal_has_reason.__name__),
    Flaw.KEY_REUSED_FOR_UNSTORED_ENTRY: (scenarios.OTHER_DIGEST, key_reused_is_true.__name__),
    Flaw.DIGEST_IGNORED: (scenarios.OTHER_DIGEST, ACKED),
    Flaw.PERMISSIONS_BEFORE_KEYS: (scenarios.BAN_ON_OTHER_NODE, REFUSED),
    Flaw.LAST_TAKEN_AFTER_CHECK: (scenarios.BAN_ON_OTHER_NODE, BANNED),
    Flaw.BATCH_GROWS_AFTER_CHECK: (scenarios.REPEAT_IN_BATCH, ONE_ENTRY),
    Flaw.ACK_BEFORE_INSERT: (scenarios.REPEAT_ON_BOTH_NODES, ACKED),
    Flaw.ACK_BEFORE_MAJORITY: (scenarios.FAILOVER, ACKED),
    Flaw.READS_UNCOMMITTED: (scenarios.FAILOVER, ACKED),
    Flaw.UNORDERED_INSERT: (scenarios.FAILOVER, no_holes.__name__),
    Flaw.SKIPS_INVISIBLE_SEQ: (scenarios.FAILOVER, ONE_ENTRY),
    Flaw.RENUMBERS_WITHOUT_READING: (scenarios.FAILOVER, ONE_ENTRY),
    Flaw.TIMEOUT_IS_STORED: (scenarios.REPEAT_ON_BOTH_NODES, ACKED),
    Flaw.TIMEOUT_IS_FAILURE: (scenarios.REPEAT_ON_BOTH_NODES, REFUSED),
    Flaw.SHORT_APPEND_IS_FAILURE: (scenarios.LATE_BATCH, REFUSED),
    Flaw.TRIED_FOLLOWER_FAILS: (scenarios.LATE_BATCH, REFUSED),
    Flaw.CONNECTION_GOES_ON_AFTER_FAILURE: (scenarios.BAN_ON_OTHER_NODE, ORDER),
    Flaw.ANSWERS_OWN_ID: (scenarios.REPEAT_ON_BOTH_NODES, ACKED),
    Flaw.INDEX_CONFLICT_NOT_LOOKED_UP: (scenarios.UNIQUE_INDEX, EVERY_SEND_CAN_BE_ANSWERED),
    Flaw.PUBLISHES_BEFORE_CONFIRMATION: (scenarios.PUBLISHED, ACKED),
    Flaw.INSERTS_WHILE_HANDED_OVER: (scenarios.HANDOVER, ORDER),
    Flaw.HANDS_OVER_TWICE: (scenarios.HANDOVER, ORDER),
    Flaw.HANDS_OVER_WHILE_INSERTING: (scenarios.HANDOVER, ORDER),
    Flaw.LOST_REPLY_IS_FAILURE: (scenarios.HANDOVER, REFUSED),
    Flaw.DOUBTFUL_SEND_IS_REFUSED: (scenarios.HANDOVER_AND_LIFTED_BAN, REFUSED),
    Flaw.HANDOVER_TAKEN_TWICE: (scenarios.HANDOVER_AND_LIFTED_BAN, REFUSED),
    Flaw.RECEIVER_FORGETS_CONNECTIONS: (scenarios.HANDOVER_REFUSED, ORDER),
    Flaw.RECEIVER_FAILS_UNTRIED: (scenarios.HANDOVER_GIVEN_UP, REFUSED),
    Flaw.REFUSES_ON_KNOWN_LAST: (scenarios.HANDOVER_OF_TRIED_SEND, REFUSED),
    Flaw.DEADLINE_FAILS_BATCH: (scenarios.LATE_BATCH, REFUSED),
    Flaw.REPEAT_IS_REFUSED: (scenarios.REPEAT_AND_LIFTED_BAN, REFUSED),
    Flaw.CONNECTION_GOES_ON_AFTER_UNKNOWN: (scenarios.SENDS_ON_AFTER_HANDOVER, ORDER),
    Flaw.DOUBTFUL_REFUSAL_TAKES_NOTHING: (scenarios.REFUSED_IN_DOUBT, ORDER),
    Flaw.DOUBT_OUTLIVES_ITS_ANSWER: (scenarios.DELETED_IN_DOUBT, doubt_ends.__name__),
    Flaw.DOUBTS_ARE_OF_KEYS: (scenarios.ANOTHER_REQUEST_IN_DOUBT, ORDER),
}


@pytest.mark.parametrize("flaw", Flaw, ids=lambda flaw: flaw.value)
def test_flaw_is_caught(flaw: Flaw) -> None:
    """A rule that can be broken without notice is not checked by this model."""
    scenario, invariant = CAUGHT_BY[flaw]

    result = explore(Rules(scenario, flaw))

    assert result.violation is not None
    assert result.violation.invariant == invariant, describe(result)


def test_trace_is_readable() -> None:
    """A violation is told as the shortest run that leads to it, step by step."""
    result = explore(Rules(scenarios.KEYS_BEYOND_MEMORY, Flaw.KEYS_CHECKED_IN_MEMORY_ONLY))

    assert describe(result).splitlines() == [
        "a repeat of a key that left memory long ago: one_entry_per_key is violated",
        "rules: keys beyond memory are not looked up, and no index refuses them",
        "log: 1=k1 long ago (by A)",
        "  1. A: takes a batch of 1",
        "  2. A: inserts -- [k1 to A] from seq 2",
        "  3. A: insert applied -- log: 1=k1 long ago (by A), 2=k1 to A (by A)",
    ]
