"""How passwords are kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher

from chat_service.identity import passwords as module
from chat_service.identity.passwords import Passwords
from chat_service.model.errors import ChatError, Code

from .conftest import CHEAP, PASSWORD, Gate, until


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    passwords = Passwords(CHEAP)
    yield passwords
    await passwords.close()


async def test_the_right_password_and_no_other_opens(passwords: Passwords) -> None:
    stored = await passwords.hash(PASSWORD)
    assert stored.startswith("$argon2id$")
    assert PASSWORD not in stored
    assert await passwords.verify(stored, PASSWORD)
    assert not await passwords.verify(stored, PASSWORD + " ")
    assert not await passwords.verify(stored, "")


async def test_a_password_is_the_same_from_every_keyboard(passwords: Passwords) -> None:
    stored = await passwords.hash("grüße aus köln")
    assert await passwords.verify(stored, "gru\u0308ße aus ko\u0308ln")


@pytest.mark.parametrize("password", ["", "short", "x" * 7, "x" * 257, "eight of\ud800"])
async def test_a_password_too_short_too_long_or_no_text_is_refused(passwords: Passwords, password: str) -> None:
    with pytest.raises(ChatError) as refusal:
        await passwords.hash(password)
    assert refusal.value.code is Code.INVALID
    assert len(password) < 8 or password not in refusal.value.message


@pytest.mark.parametrize("length", [8, 256])
async def test_the_shortest_and_the_longest_password_open(passwords: Passwords, length: int) -> None:
    assert await passwords.verify(await passwords.hash("x" * length), "x" * length)


async def test_for_somebody_unknown_the_same_work_is_done() -> None:
    gate = Gate()
    passwords = Passwords(gate)
    unknown = asyncio.create_task(passwords.verify(None, PASSWORD))
    await until(lambda: gate.now == 1)
    gate.opened.set()
    assert await unknown is False
    await passwords.close()


async def test_an_endless_password_costs_nothing_and_is_wrong(passwords: Passwords) -> None:
    assert not await passwords.verify(await passwords.hash(PASSWORD), "x" * 10_000_000)


async def test_a_hash_that_cannot_be_read_lets_nobody_in(passwords: Passwords) -> None:
    assert not await passwords.verify("$argon2id$garbage", PASSWORD)


async def test_two_hash_at_once_a_bounded_number_waits_and_more_are_told_to_come_back() -> None:
    gate = Gate()
    passwords = Passwords(gate)
    room = module.WORKERS + module.WAITING
    waiting = [asyncio.create_task(passwords.hash(PASSWORD)) for _ in range(room)]
    await asyncio.sleep(0)
    with pytest.raises(ChatError) as refusal:
        await passwords.hash(PASSWORD)
    assert refusal.value.code is Code.OVERLOADED
    assert refusal.value.retryable
    gate.opened.set()
    assert len(set(await asyncio.gather(*waiting))) == room
    assert gate.most <= module.WORKERS
    assert await passwords.hash(PASSWORD), "once the queue is empty everybody is served again"
    await passwords.close()


async def test_a_hash_made_with_other_parameters_is_outdated_and_still_opens(passwords: Passwords) -> None:
    stored = await passwords.hash(PASSWORD)
    stronger = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    assert not passwords.outdated(stored)
    assert stronger.outdated(stored)
    assert await stronger.verify(stored, PASSWORD)
    await stronger.close()


async def test_without_memory_for_a_hash_one_is_told_to_come_back() -> None:
    greedy = Passwords(PasswordHasher(time_cost=1, memory_cost=2**32 - 1, parallelism=1))
    with pytest.raises(ChatError) as refusal:
        await greedy.hash(PASSWORD)
    assert refusal.value.code is Code.OVERLOADED
    await greedy.close()
