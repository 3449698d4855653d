"""Revocations: how nodes learn what ended early, and for how long they remember."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from chat_service.directory.people import PeopleDirectory, Revocation, RevocationKind
from chat_service.directory.sqlite_people import SqlitePeopleDirectory
from chat_service.identity import revocations as module
from chat_service.identity.principal import Principal, UserKind
from chat_service.identity.revocations import Revocations, covers
from chat_service.identity.service import Identity
from chat_service.model.errors import ChatError, Code
from chat_service.storage.sqlite import SqliteStore

from .conftest import HOME, PASSWORD, Clock, NewNode, opened_store, refusal_of, until

TTL_S = 900
KEPT_S = TTL_S + 65  # with the leeway of tokens and the slack of clocks


def principal(user: str = "u1", session: str = "s1", issued: int = 1_800_000_000) -> Principal:
    return Principal(
        user=user,
        session=session,
        kind=UserKind.REGISTERED,
        handle="ada",
        name="Ada",
        admin=False,
        issued=issued,
        expires=issued + TTL_S,
    )


def passes(revocations: Revocations, who: Principal) -> bool:
    try:
        revocations.check(who)
    except ChatError as refusal:
        return refusal.code is not Code.UNAUTHENTICATED
    return True


@pytest.fixture
def revocations(people: PeopleDirectory, clock: Clock) -> Revocations:
    return Revocations(people, TTL_S, clock)


async def test_a_session_ended_on_one_node_is_refused_on_another_after_its_next_poll(new_node: NewNode) -> None:
    here, there = await new_node(), await new_node()
    tokens = await here.accounts.register("ada", "Ada", PASSWORD, HOME)
    heard: list[Revocation] = []
    there.revocations.listen(heard.append)
    await here.sessions.sign_out(tokens.principal)
    assert there.sessions.authenticate(tokens.access)

    await there.revocations.poll()
    with pytest.raises(ChatError, match="This session has ended"):
        there.sessions.authenticate(tokens.access)
    assert [(each.kind, each.id) for each in heard] == [(RevocationKind.SESSION, tokens.principal.session)]
    assert covers(heard[0], tokens.principal)


async def test_a_node_that_starts_knows_what_ended_before_and_still_matters(
    people: PeopleDirectory, revocations: Revocations, clock: Clock
) -> None:
    await people.revoke_user("long ago", int(clock.now) - KEPT_S - 1)
    await people.revoke_user("u1", int(clock.now) - KEPT_S)
    await revocations.load()
    assert len(revocations) == 1
    assert not passes(revocations, principal(issued=int(clock.now) - KEPT_S))


async def test_revoking_a_user_ends_tokens_made_until_then_and_none_made_later(
    people: PeopleDirectory, revocations: Revocations, clock: Clock
) -> None:
    now = int(clock.now)
    await people.revoke_user("u1", now)
    await revocations.poll()
    assert not passes(revocations, principal(issued=now))
    assert passes(revocations, principal(issued=now + 1))
    assert passes(revocations, principal("u2", issued=now))
    (logged,) = await people.revocations(0, 0, 1)
    assert covers(logged, principal(issued=now))
    assert not covers(logged, principal(issued=now + 1))


async def test_every_revocation_is_heard_once_in_order_however_many_there_are(
    people: PeopleDirectory, revocations: Revocations, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAGE", 3)
    heard: list[str] = []
    revocations.listen(lambda each: heard.append(each.id))
    for number in range(10):
        await people.revoke_user(f"u{number}", int(clock.now))
        if number % 4 == 0:
            await revocations.poll()
    await revocations.poll()
    await revocations.poll()
    assert heard == [f"u{number}" for number in range(10)]


async def test_a_receiver_that_fails_keeps_nobody_else_from_hearing(
    people: PeopleDirectory, revocations: Revocations, clock: Clock
) -> None:
    heard: list[str] = []

    def fail(_: Revocation) -> None:
        raise RuntimeError("a mistake")

    revocations.listen(fail)
    revocations.listen(lambda each: heard.append(each.id))
    await people.revoke_user("u1", int(clock.now))
    await people.revoke_user("u2", int(clock.now))
    with capture_logs() as logged:
        await revocations.poll()
    assert heard == ["u1", "u2"]
    assert [line["event"] for line in logged] == ["revocations.receiver_failed"] * 2


async def test_what_no_token_can_fall_under_any_more_is_forgotten(
    people: PeopleDirectory, revocations: Revocations, clock: Clock
) -> None:
    for hour in range(48):
        for number in range(5):
            await people.revoke_user(f"u{hour}.{number}", int(clock.now))
        await revocations.poll()
        assert len(revocations) <= 5
        clock.pass_(3600)
    await people.revoke_user("u1", int(clock.now))
    await revocations.poll()
    clock.pass_(KEPT_S)
    await revocations.poll()
    assert not passes(revocations, principal(issued=int(clock.now) - KEPT_S))


async def test_without_the_store_what_is_known_stays_and_the_rest_follows_when_it_is_back(
    people: PeopleDirectory, tmp_path: Path, clock: Clock
) -> None:
    store = SqliteStore(tmp_path / "chat.db")
    await store.open(exclusive=False)
    revocations = Revocations(SqlitePeopleDirectory(store), TTL_S, clock)
    assert revocations.behind_s == float("inf")
    await people.revoke_user("u1", int(clock.now))
    await revocations.poll()
    assert revocations.behind_s < 60

    await store.close()
    await people.revoke_user("u2", int(clock.now))
    with capture_logs() as logged:
        await revocations.poll()
        await revocations.poll()
    assert [line["event"] for line in logged] == ["revocations.unreadable"]
    await refusal_of(revocations.load(), Code.UNAVAILABLE)
    assert not passes(revocations, principal("u1"))
    assert passes(revocations, principal("u2"))

    await store.open(exclusive=False)
    with capture_logs() as logged:
        await revocations.poll()
    assert [line["event"] for line in logged] == ["revocations.readable"]
    assert not passes(revocations, principal("u2"))
    await store.close()


async def test_an_older_copy_of_the_store_put_in_its_place_hides_no_new_revocation(
    tmp_path: Path, clock: Clock
) -> None:
    now = int(clock.now)
    async with opened_store(tmp_path) as store:
        await SqlitePeopleDirectory(store).revoke_user("u1", now)
    shutil.copytree(tmp_path, tmp_path / "copy")
    async with opened_store(tmp_path) as store:
        people = SqlitePeopleDirectory(store)
        await people.revoke_user("u2", now)
        await people.revoke_user("u3", now)
        revocations = Revocations(people, TTL_S, clock)
        await revocations.load()
        await store.close()
        # What nodes see after a restore in place: the numbers u2 and u3 had are given again.
        store.path = tmp_path / "copy" / "chat.db"
        await store.open(exclusive=False)
        await people.revoke_user("u4", now)
        await revocations.poll()
        assert [name for name in ("u1", "u2", "u3", "u4") if not passes(revocations, principal(name))] == [
            "u1",
            "u2",
            "u3",
            "u4",
        ]


async def test_a_running_node_reads_revocations_by_itself(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_service.identity.service.POLL_S", 0.01)
    here, there = await new_node(), await new_node()
    await there.start()
    tokens = await here.accounts.register("ada", "Ada", PASSWORD, HOME)
    await here.sessions.sign_out(tokens.principal)
    await until(lambda: there.revocations.revoked(tokens.principal.session))
    await there.stop()
    await there.stop()


async def test_background_work_that_fails_is_logged_and_tried_again(
    node: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_service.identity.service.POLL_S", 0.001)
    times = 0

    async def fail() -> None:
        nonlocal times
        times += 1
        raise RuntimeError("a mistake")

    monkeypatch.setattr(node.revocations, "poll", fail)
    with capture_logs() as logged:
        await node.start()
        await until(lambda: times >= 3)
        await node.stop()
    assert {line["event"] for line in logged} == {"identity.background_work_failed"}


async def test_a_running_node_sweeps_what_is_over(
    new_node: NewNode, people: PeopleDirectory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_service.identity.service.SWEEP_S", 0.01)
    node = await new_node()
    tokens = await node.accounts.register("ada", "Ada", PASSWORD, HOME)
    clock.pass_(31 * 86_400)
    await node.start()
    while await people.session(tokens.principal.session) is not None:  # noqa: ASYNC110 - the sweep tells nobody
        await asyncio.sleep(0.005)
