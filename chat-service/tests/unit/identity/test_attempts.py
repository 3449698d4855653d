"""Attempts: counted in the store, in fixed windows."""

from __future__ import annotations

import pytest

from chat_service.directory.people import PeopleDirectory
from chat_service.identity.attempts import Attempts
from chat_service.model.errors import Code
from chat_service.rate import Rate

from .conftest import Clock, refusal_of

TWICE = Rate(2, 900, 2)


@pytest.fixture
def attempts(people: PeopleDirectory, clock: Clock) -> Attempts:
    return Attempts(people, clock)


async def test_attempts_pass_up_to_the_count_and_again_in_the_next_window(
    attempts: Attempts, clock: Clock
) -> None:
    await attempts.take(TWICE, "ada")
    await attempts.take(TWICE, "ada")
    refusal = await refusal_of(attempts.take(TWICE, "ada"), Code.RATE_LIMITED)
    assert refusal.message == "Too many attempts. Try again in 15 minutes."
    assert refusal.retry_after_ms == 900_000
    clock.pass_(899)
    refusal = await refusal_of(attempts.take(TWICE, "ada"), Code.RATE_LIMITED)
    assert refusal.message == "Too many attempts. Try again in a minute."
    clock.pass_(1)
    await attempts.take(TWICE, "ada")


async def test_an_attempt_refused_for_one_key_is_not_counted_for_the_others(attempts: Attempts) -> None:
    for _ in range(2):
        await attempts.take(TWICE, "ada")
    for _ in range(5):
        await refusal_of(attempts.take(TWICE, "address", "ada"), Code.RATE_LIMITED)
    await attempts.take(TWICE, "address")
    await attempts.take(TWICE, "address")


async def test_an_attempt_given_back_was_none_and_cleared_ones_are_forgotten(attempts: Attempts) -> None:
    for _ in range(5):
        await attempts.give_back(await attempts.take(TWICE, "ada", "address"))
    for _ in range(2):
        await attempts.take(TWICE, "ada")
    await attempts.clear("ada")
    await attempts.take(TWICE, "ada")
