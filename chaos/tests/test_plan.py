"""A plan is made of its seed alone, and has everything in it."""

from __future__ import annotations

from itertools import islice

from chaos.history import Kind
from chaos.plan import LONGEST_ECHO_S, steps
from chaos.rounds import ROUNDS


def test_a_seed_makes_the_same_plan_again() -> None:
    assert list(islice(steps("7 calm", "c1", 1.0), 500)) == list(islice(steps("7 calm", "c1", 1.0), 500))


def test_seeds_and_clients_have_plans_of_their_own() -> None:
    plans = [list(islice(steps(seed, name, 1.0), 50)) for seed in ("7 calm", "8 calm") for name in ("c1", "c2")]
    assert all(plan not in plans[:place] for place, plan in enumerate(plans))


def test_a_plan_has_every_kind_and_repeats_that_race_and_repeats_that_are_late() -> None:
    plan = list(islice(steps("7 calm", "c1", 1.0), 3000))
    assert {step.kind for step in plan} == {Kind.SEND, Kind.EDIT, Kind.DELETE, Kind.REACT, Kind.MARK}
    echoes = [step.echo_s for step in plan if step.echo_s is not None]
    assert min(echoes) == 0.0
    assert 5.0 < max(echoes) <= LONGEST_ECHO_S
    assert any(step.abandoned for step in plan)


def test_rounds_have_names_of_their_own() -> None:
    assert len({one.name for one in ROUNDS}) == len(ROUNDS)
