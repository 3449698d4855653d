"""The append rules hold in every interleaving of every scenario, and the search really went there."""

import pytest

from . import scenarios
from .explorer import explore
from .flaws import Rules
from .room_state import Scenario
from .trace import describe

LOST_RACE = {"insert refused: seq taken", "append came back short", "reads the new entries"}
LATE = {"stops waiting for its insert", "late insert applied", "late insert refused: seq taken"}
REPEATED = {"driver repeats an insert that was stored", "answer duplicate"}
IN_BATCH = {"gives up a send that is being decided"}
GIVEN_UP = {"gives up a send with unknown outcome", "answer unknown", "answer failed"}
HANDED_OVER = {"hands 1 over", "takes a hand-over", "relays a hand-over's answer"}
UNANSWERED = {"stops waiting for its hand-over", "answer unknown"}

CASES: tuple[tuple[Scenario, int, set[str]], ...] = (
    (scenarios.REPEAT_ON_BOTH_NODES, 10_000, LOST_RACE | LATE | REPEATED),
    (scenarios.OTHER_DIGEST, 500, LOST_RACE | LATE | REPEATED | {"answer key_reused"}),
    (scenarios.REPEAT_IN_BATCH, 1_000, {"cuts the batch and inserts", "answer key_reused"} | REPEATED),
    (scenarios.KEYS_BEYOND_MEMORY, 300, {"answers the whole batch from the log"} | REPEATED),
    (scenarios.UNIQUE_INDEX, 1_000, {"insert refused: key indexed", "late insert refused: key indexed"}),
    (scenarios.LATE_BATCH, 20_000, LOST_RACE | LATE | REPEATED | GIVEN_UP | IN_BATCH),
    (scenarios.SENDS_ON_AFTER_UNKNOWN, 15_000, LATE | GIVEN_UP | {"receives a send"}),
    (scenarios.BAN_ON_OTHER_NODE, 15_000, LOST_RACE | LATE | {"answer refused", "reads before it refuses"}),
    (scenarios.BAN_IN_BATCH, 1_000, {"cuts the batch and inserts", "answer refused"}),
    (scenarios.FAILOVER, 10_000, {"store fails over", "reads last, a taken seq is not visible yet"} | LATE),
    (scenarios.CRASH, 20_000, {"is killed and starts again", "answer unknown"} | LATE | REPEATED),
    (scenarios.PUBLISHED, 2_500, {"hears a published entry"} | LOST_RACE | REPEATED),
    (scenarios.HANDOVER, 15_000, HANDED_OVER | UNANSWERED | GIVEN_UP),
    (scenarios.SENDS_ON_AFTER_HANDOVER, 7_000, HANDED_OVER | {"refuses a send while another one is in doubt"}),
    (scenarios.REPEATS_AFTER_HANDOVER, 7_000, HANDED_OVER | {"receives a send that is in doubt", "answer ack"}),
    (scenarios.REPEAT_AND_LIFTED_BAN, 7_000, HANDED_OVER | {"receives a send that is in doubt"}),
    (scenarios.HANDOVER_AND_LIFTED_BAN, 40_000, HANDED_OVER | UNANSWERED | {"answer refused"}),
    (scenarios.HANDOVER_OF_TRIED_SEND, 25_000, HANDED_OVER | LATE | {"reads before it refuses"}),
    (scenarios.HANDOVER_GIVEN_UP, 80_000, HANDED_OVER | LATE | GIVEN_UP),
    (scenarios.HANDOVER_REFUSED, 300, HANDED_OVER | {"answer key_reused", "answer failed"}),
    (scenarios.REFUSED_IN_DOUBT, 70_000, HANDED_OVER | UNANSWERED | {"answer refused", "answer failed"}),
    (scenarios.DELETED_IN_DOUBT, 40_000, HANDED_OVER | {"answer gone", "receives a send that is in doubt"}),
    (scenarios.ANOTHER_REQUEST_IN_DOUBT, 8_000, HANDED_OVER | {"refuses a send while another one is in doubt"}),
)


@pytest.mark.parametrize(("scenario", "least_states", "events"), CASES, ids=[case[0].name for case in CASES])
def test_rules_hold(scenario: Scenario, least_states: int, events: set[str]) -> None:
    """No state breaks an invariant; fewer states or missing events would mean that the model went empty."""
    result = explore(Rules(scenario))

    assert result.violation is None, describe(result)
    assert result.states >= least_states
    assert not events - set(result.events)


def test_every_scenario_is_searched() -> None:
    """A scenario that is written down is also run."""
    written = {value for value in vars(scenarios).values() if isinstance(value, Scenario)}

    assert {case[0] for case in CASES} == written
