"""The simulation keeps to the rules of Kubernetes and KEDA, to a real run and to the chart; nobody is cut off."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from rendering import Combination, of, rendered
from simulate import __main__ as simulation
from simulate import recorded
from simulate.days import DAYS, Day
from simulate.fleet import Fleet
from simulate.hpa import SYNC_S, Autoscaler, Pods, proposal
from simulate.parameters import Direction, NotInChartError, Policy, Scaling, Trigger, scaling_of
from simulate.recorded import NotRecordedError
from simulate.run import Seen, run

SCALING = scaling_of(of(Combination("prod", "aws")))
CONNECTIONS = SCALING.triggers[0]
SAMPLED_S = 2
"""How often the real run was looked at."""


@pytest.fixture(scope="module")
def made() -> tuple[dict[str, Seen], dict[str, str]]:
    """Every load against the chart, and the report of it."""
    runs, files = simulation.made()
    return {one.day.name: one for one in runs}, files


def decided(
    scaling: Scaling, values: list[float | None], replicas: int = 1, name: str = "connections"
) -> list[int]:
    """What an autoscaler wants at each look, where pods are ready at once and all other metrics are idle."""
    autoscaler, seen = Autoscaler(scaling), [replicas]
    for look, value in enumerate(values):
        measured = {trigger.name: 0.0 for trigger in scaling.triggers} | {name: value}
        seen.append(autoscaler.decide(look * SYNC_S, Pods(seen[-1], seen[-1]), measured))
    return seen[1:]


# -- the rules ----------------------------------------------------------------------------------------


def test_a_metric_asks_for_its_share_of_replicas_rounded_up() -> None:
    average, value = Trigger("connections", "AverageValue", 100), Trigger("delivery", "Value", 0.8)
    cpu = Trigger("cpu", "Utilization", 70)
    assert proposal(average, 301, Pods(2, 2)) == 4
    assert proposal(value, 1.6, Pods(3, 3)) == 6
    assert proposal(cpu, 140, Pods(3, 3)) == 6
    assert proposal(cpu, 35, Pods(4, 4)) == 2


def test_a_metric_near_its_target_asks_for_nothing() -> None:
    for trigger, value in (("AverageValue", 325.0), ("Value", 109.0), ("Utilization", 91.0)):
        assert proposal(Trigger("any", trigger, 100), value, Pods(3, 3)) == 3


def test_pods_that_start_are_not_asked_for_twice() -> None:
    assert proposal(Trigger("cpu", "Utilization", 70), 140, Pods(4, 2)) == 4


def test_more_than_twice_as_many_take_another_period() -> None:
    assert decided(SCALING, [6000 * 39] * 9, replicas=3) == [6, 6, 12, 12, 24, 24, 39, 39, 39]


def test_fewer_have_to_be_enough_for_the_whole_window_and_then_go_one_by_one() -> None:
    looks = SCALING.down.window_s // SYNC_S
    seen = decided(SCALING, [6000 * 8, *[6000.0 * 3] * (looks + 20)], replicas=8)
    assert seen[:looks] == [8] * looks
    fell = [number * SYNC_S for number in range(1, len(seen)) if seen[number] < seen[number - 1]]
    assert seen[-1] < 7
    assert all(later - before >= SCALING.down.policies[0].period_s for before, later in pairwise(fell))


def test_the_largest_of_the_metrics_decides() -> None:
    assert decided(SCALING, [3.2], replicas=4, name="delivery") == [8]


def test_it_stays_while_it_is_blind_and_grows_by_what_it_still_sees() -> None:
    assert decided(SCALING, [None] * 200, replicas=9) == [9] * 200
    autoscaler = Autoscaler(SCALING)
    measured = {"connections": None, "delivery": None, "cpu": 140.0}
    assert autoscaler.decide(0, Pods(9, 9), measured) == 18


def test_the_fallback_is_a_floor() -> None:
    assert SCALING.fallback.failures == 3
    assert decided(SCALING, [None] * 5, replicas=1) == [1, 1, 2, 2, 3]


# -- the real run -------------------------------------------------------------------------------------


def grown(scaling: Scaling, clients: int) -> dict[int, int]:
    """After how many seconds so many gateways serve, where so many clients are there from the start."""
    day = Day("crowd", "", 120, lambda _: clients, lambda _: 0.0)
    fleet, autoscaler, ready = Fleet(scaling), Autoscaler(scaling), dict[int, int]()
    fleet.begin(1)
    for now in range(day.length_s):
        if now % SYNC_S == 0:
            measured = {"connections": float(clients), "delivery": 0.0, "cpu": 0.0}
            fleet.scale(now, autoscaler.decide(now, fleet.seen(now), measured))
        ready.setdefault(fleet.seen(now).ready, now)
    return ready


def test_the_model_follows_a_crowd_as_the_real_cluster_did() -> None:
    real = recorded.real_scaling()
    model = grown(scaling_of(rendered(*real.values)), real.clients)
    assert list(model) == [1, 2, 4]
    between = real.ready_after_s[3] - real.ready_after_s[2]
    assert model[4] - model[2] == pytest.approx(between, abs=SAMPLED_S)
    # Two that start at once on two cores are ready one after the other, within one look of the autoscaler.
    assert real.ready_after_s[4] - real.ready_after_s[3] < SYNC_S


@pytest.mark.parametrize("wrong", [Policy("Percent", 300, 30), Policy("Percent", 100, 60), Policy("Pods", 1, 30)])
def test_a_model_with_another_policy_does_not(wrong: Policy) -> None:
    real = recorded.real_scaling()
    scaling = replace(scaling_of(rendered(*real.values)), up=Direction(0, (wrong,)))
    model = grown(scaling, real.clients)
    between = real.ready_after_s[3] - real.ready_after_s[2]
    assert 4 not in model or 2 not in model or abs(model[4] - model[2] - between) > SAMPLED_S


def shrunk(scaling: Scaling, replicas: int, clients: int) -> dict[int, int]:
    """After how many seconds so many gateways are left, where there are that many and few clients."""
    fleet, autoscaler, left = Fleet(scaling), Autoscaler(scaling), dict[int, int]()
    fleet.begin(replicas)
    measured = {"connections": scaling.triggers[0].target * replicas, "delivery": 0.0, "cpu": 0.0}
    for now in range(0, 300, SYNC_S):
        fleet.scale(now, autoscaler.decide(now, fleet.seen(now), measured))
        left.setdefault(fleet.seen(now).ready, now)
        measured["connections"] = float(clients)
    return left


def gaps(after: dict[int, float]) -> list[float]:
    """How far apart they went; the first went when the window of what was wanted before had passed."""
    return [later - before for before, later in pairwise(after.values())]


def test_the_model_leads_few_together_as_the_real_cluster_did() -> None:
    real = recorded.real_scaling()
    model = shrunk(scaling_of(rendered(*real.values)), max(real.ready_after_s), real.few)
    assert list(model)[1:] == list(real.left_after_s)
    assert gaps(model)[1:] == pytest.approx(gaps(real.left_after_s), abs=SAMPLED_S)


@pytest.mark.parametrize("wrong", [Policy("Pods", 2, 60), Policy("Pods", 1, 30), Policy("Percent", 50, 60)])
def test_a_model_with_another_policy_leads_them_otherwise(wrong: Policy) -> None:
    real = recorded.real_scaling()
    scaling = scaling_of(rendered(*real.values))
    model = shrunk(replace(scaling, down=replace(scaling.down, policies=(wrong,))), 4, real.few)
    assert gaps(model)[1:] != pytest.approx(gaps(real.left_after_s), abs=SAMPLED_S)


# -- what becomes of people ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", [day.name for day in DAYS])
def test_scale_in_cuts_nobody_off(made: tuple[dict[str, Seen], dict[str, str]], name: str) -> None:
    seen = made[0][name]
    assert seen.left, "nothing was scaled in"
    assert seen.cut == 0
    assert seen.longest_drain_s <= SCALING.drain.closed_s
    assert max(seen.draining) == 1
    assert seen.outside[-1] == pytest.approx(0, abs=1)


def test_nobody_is_lost_on_the_way(made: tuple[dict[str, Seen], dict[str, str]]) -> None:
    for seen in made[0].values():
        assert max(seen.fullest) <= SCALING.most_connections
        assert SCALING.least <= min(seen.replicas) <= max(seen.replicas) <= SCALING.most


def test_without_metrics_nothing_goes_and_afterwards_it_does(made: tuple[dict[str, Seen], dict[str, str]]) -> None:
    seen = made[0]["without metrics"]
    assert seen.day.blind is not None
    begun, ended = seen.day.blind
    assert set(seen.replicas[begun:ended]) == {seen.replicas[begun]}
    assert seen.replicas[-1] < seen.replicas[begun]


SHORT = Day("evening", "", 5400, lambda at: 60_000 - min(at, 240) * 205, lambda _: 0.0)


@pytest.mark.parametrize(
    ("broken", "cut", "draining"),
    [
        (SCALING, False, 1),
        (replace(SCALING, drain=replace(SCALING.drain, grace_s=40)), True, 1),
        (replace(SCALING, down=Direction(0, (Policy("Percent", 100, 15),))), False, 2),
        (replace(SCALING, down=Direction(600, (Policy("Pods", 1, 15),))), False, 2),
    ],
    ids=["as it is", "killed before it is closed", "all at once", "before the one before has gone"],
)
def test_the_simulation_shows_a_scale_in_that_is_wrong(broken: Scaling, cut: bool, draining: int) -> None:
    seen = run(SHORT, broken, recorded.costs(), recorded.talk())
    assert (seen.cut > 0) is cut
    assert max(seen.draining) >= draining
    assert draining > 1 or max(seen.draining) == 1


# -- what it is made of -------------------------------------------------------------------------------


def test_the_report_is_what_the_chart_gives_now(made: tuple[dict[str, Seen], dict[str, str]]) -> None:
    folder = simulation.PAGE.parent
    stale = [
        name
        for name, text in made[1].items()
        if not (folder / name).is_file() or (folder / name).read_text() != text
    ]
    assert not stale, "run `make simulate` and look at what has changed"
    assert {f"autoscaling/{path.name}" for path in (folder / "autoscaling").iterdir()} == made[1].keys() - {
        "autoscaling.md"
    }


def test_a_changed_chart_changes_the_simulation() -> None:
    prod = Combination("prod", "aws").arguments
    changed = scaling_of(rendered(*prod, "--set=autoscaling.gateway.connections=4000", "--set=drainSeconds=120"))
    assert changed.triggers[0].target == 4000
    assert (changed.drain.closed_s, changed.drain.grace_s) == (120, 145)
    assert changed.down.policies == (Policy("Pods", 1, 145),)
    assert next(one for one in SCALING.triggers if one.name == "delivery").budget_s == 0.2


def test_a_chart_without_autoscaling_is_refused() -> None:
    with pytest.raises(NotInChartError, match="ScaledObject"):
        scaling_of(rendered("--set=mode=cluster", "--set=persistence.enabled=false"))


def test_a_report_without_its_figure_is_refused() -> None:
    page = recorded.BENCH.read_text()
    assert recorded.costs(page) == recorded.costs()
    with pytest.raises(NotRecordedError, match="1,000 entries missed"):
        recorded.costs(page.replace("1,000 entries missed", "many entries missed"))
    with pytest.raises(NotRecordedError, match="rolling-restart"):
        recorded.talk(page="")
    with pytest.raises(NotRecordedError, match="no line"):
        recorded.talk(plot="<svg/>")
