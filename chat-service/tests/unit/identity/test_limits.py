"""Rate limits: how often, for whom, and at which cost."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.identity.limits import RateLimits, address_key
from chat_service.model.errors import ChatError, Code
from chat_service.rate import Rate

from .conftest import Clock


def passes(limits: RateLimits, key: str, kind: str = "send", cost: int = 1) -> bool:
    try:
        limits.check(kind, key, cost)
    except ChatError as refusal:
        return refusal.code is not Code.RATE_LIMITED
    return True


def test_a_burst_passes_and_then_one_at_a_time_as_fast_as_the_rate(clock: Clock) -> None:
    limits = RateLimits({"send": Rate(2, 1, 5)}, clock=clock)
    assert [passes(limits, "ada") for _ in range(6)] == [True] * 5 + [False]
    clock.pass_(0.5)
    assert [passes(limits, "ada") for _ in range(2)] == [True, False]
    clock.pass_(3600)
    assert [passes(limits, "ada") for _ in range(6)] == [True] * 5 + [False]


def test_one_person_at_their_limit_hinders_nobody_else(clock: Clock) -> None:
    limits = RateLimits({"send": Rate(1, 60, 1), "join": Rate(1, 60, 1)}, clock=clock)
    assert passes(limits, "ada")
    assert not passes(limits, "ada")
    assert passes(limits, "grace")
    assert passes(limits, "ada", "join")


def test_a_refusal_says_when_to_come_back_and_is_counted(clock: Clock) -> None:
    refused: Counter[str] = Counter()
    limits = RateLimits({"send": Rate(1, 10, 1)}, refused=lambda kind: refused.update([kind]), clock=clock)
    limits.check("send", "ada")
    with pytest.raises(ChatError, match="Try again in 10 s") as refusal:
        limits.check("send", "ada")
    assert refusal.value.retry_after_ms == 10_000
    assert refused == {"send": 1}
    clock.pass_(10)
    assert passes(limits, "ada")


def test_what_costs_more_than_the_whole_burst_never_passes(clock: Clock) -> None:
    limits = RateLimits({"send": Rate(10, 1, 10)}, clock=clock)
    assert not passes(limits, "ada", cost=11)
    assert passes(limits, "ada", cost=10)
    assert not passes(limits, "ada")


RATES = st.builds(Rate, st.integers(1, 1000), st.integers(1, 3600), st.integers(1, 500))
STEPS = st.lists(st.tuples(st.floats(0, 100), st.integers(1, 5)), min_size=1, max_size=60)


@given(RATES, STEPS)
def test_no_stretch_of_time_lets_more_pass_than_the_burst_and_the_rate(
    rate: Rate, steps: list[tuple[float, int]]
) -> None:
    clock = Clock()
    limits = RateLimits({"send": rate}, clock=clock)
    passed: list[tuple[float, int]] = []
    for seconds, cost in steps:
        clock.pass_(seconds)
        if passes(limits, "ada", cost=cost):
            passed.append((clock.now, cost))
    for first, (start, _) in enumerate(passed):
        total = 0
        for at, cost in passed[first:]:
            total += cost
            assert total <= rate.burst + (at - start) * rate.per_second + 0.01


@given(RATES, STEPS)
def test_whoever_waits_as_told_passes(rate: Rate, steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    limits = RateLimits({"send": rate}, clock=clock)
    for seconds, cost in steps:
        clock.pass_(seconds)
        wait_ms = 0
        try:
            limits.check("send", "ada", cost)
        except ChatError as refusal:
            wait_ms = refusal.retry_after_ms or 0
        if wait_ms and cost <= rate.burst:
            clock.pass_(wait_ms / 1000)
            assert passes(limits, "ada", cost=cost)


def test_a_flood_of_addresses_takes_no_more_memory_and_hides_nobody_who_goes_on(clock: Clock) -> None:
    limits = RateLimits({"connect": Rate(1, 3600, 1)}, max_keys=1000, clock=clock)
    assert passes(limits, "attacker", "connect")
    for number in range(20_000):
        limits.check("connect", f"address {number}")
        assert len(limits) <= 1000
        if number % 100 == 0:
            assert not passes(limits, "attacker", "connect")


def test_buckets_that_are_full_again_are_forgotten(clock: Clock) -> None:
    limits = RateLimits({"connect": Rate(1, 10, 1)}, clock=clock)
    for number in range(1000):
        limits.check("connect", f"address {number}")
    clock.pass_(11)
    for number in range(1000):
        limits.check("connect", f"other {number}")
    assert len(limits) == 1000


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("fe80::1%eth0", "fe80::2%eth1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("/run/chat.sock", ""),
        ("x" * 1000, "\ud800"),
    ],
)
def test_addresses_of_one_network_count_together(one: str, other: str) -> None:
    assert address_key(one) == address_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("2001:db8:1:2::1", "2001:db8:1:3::1"), ("192.0.2.1", "192.0.2.2"), ("192.0.2.1", "")],
)
def test_addresses_of_two_networks_count_apart(one: str, other: str) -> None:
    assert address_key(one) != address_key(other)


@given(st.ip_addresses(v=6))
def test_every_ipv6_address_counts_by_one_short_key(address: object) -> None:
    key = address_key(str(address))
    assert len(key) <= 43
    assert key.endswith("/64") or "." in key
