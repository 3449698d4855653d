"""Sessions: renewed, listed, ended, and ended for a thief."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_service.directory.people import PeopleDirectory
from chat_service.directory.sqlite_meta import SqliteStoreMeta
from chat_service.directory.sqlite_people import SqlitePeopleDirectory
from chat_service.identity.passwords import Passwords
from chat_service.identity.principal import Caller
from chat_service.identity.refresh_tokens import RefreshToken
from chat_service.identity.service import Identity
from chat_service.identity.sessions import GRACE_S, MAX_SESSIONS, Sessions, Tokens
from chat_service.model.errors import ChatError, Code

from .conftest import AWAY, CHEAP, HOME, PASSWORD, POLICY, Clock, NewNode, opened_store, stored_bytes

DAY = 86_400


async def refused(sessions: Sessions, token: str) -> str:
    with pytest.raises(ChatError) as refusal:
        await sessions.refresh(token, HOME)
    assert refusal.value.code is Code.UNAUTHENTICATED
    return refusal.value.message


def signed_out(sessions: Sessions, tokens: Tokens) -> bool:
    try:
        sessions.authenticate(tokens.access)
    except ChatError as refusal:
        return refusal.code is Code.UNAUTHENTICATED
    return False


@pytest.fixture
async def ada(node: Identity) -> Tokens:
    return await node.accounts.register("ada", "Ada", PASSWORD, HOME)


async def test_whoever_signs_in_is_known_by_the_access_token(node: Identity, ada: Tokens, clock: Clock) -> None:
    assert node.sessions.authenticate(ada.access) == ada.principal
    assert ada.access_expires == clock.now + POLICY.access_token_ttl_s
    assert ada.refresh_expires == clock.now + POLICY.refresh_token_ttl_s


async def test_an_expired_access_token_is_renewed_by_the_refresh_token(
    node: Identity, ada: Tokens, clock: Clock
) -> None:
    clock.pass_(DAY)
    assert signed_out(node.sessions, ada)
    renewed = await node.sessions.refresh(ada.refresh, HOME)
    assert node.sessions.authenticate(renewed.access).session == ada.principal.session
    assert renewed.refresh != ada.refresh


async def test_a_session_lasts_as_long_as_it_is_refreshed_in_time(
    node: Identity, ada: Tokens, clock: Clock
) -> None:
    for _ in range(5):
        clock.pass_(29 * DAY)
        ada = await node.sessions.refresh(ada.refresh, HOME)
    clock.pass_(30 * DAY)
    assert "ended" in await refused(node.sessions, ada.refresh)


async def test_a_renewed_token_says_what_changed_of_the_person(node: Identity, ada: Tokens) -> None:
    await node.accounts.change_name(ada.principal, "Ada Lovelace")
    renewed = await node.sessions.refresh(ada.refresh, HOME)
    assert renewed.principal.name == "Ada Lovelace"


async def test_a_refresh_token_used_twice_ends_the_session_for_both_who_hold_it(
    node: Identity, ada: Tokens, clock: Clock
) -> None:
    stolen = ada.refresh
    renewed = await node.sessions.refresh(ada.refresh, HOME)
    clock.pass_(GRACE_S + 1)
    assert "used before" in await refused(node.sessions, stolen)
    assert "ended" in await refused(node.sessions, renewed.refresh)
    assert signed_out(node.sessions, renewed)
    assert signed_out(node.sessions, ada)


async def test_a_token_older_than_the_one_before_ends_the_session_even_at_once(
    node: Identity, ada: Tokens
) -> None:
    second = await node.sessions.refresh(ada.refresh, HOME)
    await node.sessions.refresh(second.refresh, HOME)
    assert "used before" in await refused(node.sessions, ada.refresh)
    assert signed_out(node.sessions, second)


async def test_after_a_lost_answer_the_same_token_is_given_again_for_ten_seconds(
    node: Identity, ada: Tokens, clock: Clock
) -> None:
    lost = await node.sessions.refresh(ada.refresh, HOME)
    clock.pass_(GRACE_S)
    again = await node.sessions.refresh(ada.refresh, HOME)
    assert again.refresh == lost.refresh
    assert again.refresh_expires == lost.refresh_expires
    assert await node.sessions.refresh(again.refresh, HOME)


async def test_tabs_that_refresh_at_once_on_two_nodes_all_get_the_same_token(
    new_node: NewNode, ada: Tokens
) -> None:
    nodes = [await new_node() for _ in range(3)]
    renewed = await asyncio.gather(*(nodes[tab % 3].sessions.refresh(ada.refresh, HOME) for tab in range(12)))
    assert len({tokens.refresh for tokens in renewed}) == 1
    assert renewed[0].refresh != ada.refresh
    assert not signed_out(nodes[0].sessions, renewed[0])


async def test_a_sign_out_that_meets_a_refresh_wins(node: Identity, new_node: NewNode, ada: Tokens) -> None:
    other = await new_node()
    outcomes = await asyncio.gather(
        node.sessions.refresh(ada.refresh, HOME),
        other.sessions.sign_out(ada.principal),
        return_exceptions=True,
    )
    await node.revocations.poll()
    if isinstance(outcomes[0], Tokens):
        assert signed_out(node.sessions, outcomes[0])
        await refused(node.sessions, outcomes[0].refresh)
    else:
        assert isinstance(outcomes[0], ChatError)


async def test_knowing_a_session_is_not_enough_to_end_it(node: Identity, ada: Tokens) -> None:
    forged = RefreshToken.new(ada.principal.session)
    assert "not valid" in await refused(node.sessions, forged.text())
    assert not signed_out(node.sessions, ada)


@pytest.mark.parametrize(
    "token",
    ["", "..", "a.b.c", "x" * 100_000, RefreshToken.new("unknown").text()],
    ids=["empty", "dots", "three parts", "long", "of nobody"],
)
async def test_what_is_no_refresh_token_is_refused(node: Identity, token: str) -> None:
    assert "not valid" in await refused(node.sessions, token)


async def test_an_access_token_is_no_refresh_token_nor_the_other_way_round(node: Identity, ada: Tokens) -> None:
    assert "not valid" in await refused(node.sessions, ada.access)
    with pytest.raises(ChatError, match="not valid"):
        node.sessions.authenticate(ada.refresh)


async def test_the_store_holds_no_token(node: Identity, ada: Tokens, tmp_path: Path) -> None:
    renewed = await node.sessions.refresh(ada.refresh, HOME)
    stored = stored_bytes(tmp_path)
    for tokens in (ada, renewed):
        _, family, own = tokens.refresh.split(".")
        parts = RefreshToken.parse(tokens.refresh)
        assert parts is not None
        for secret in (family.encode(), own.encode(), parts.family, parts.own, tokens.access.encode()):
            assert secret not in stored
        assert tokens.refresh not in repr(tokens)
        assert tokens.access not in repr(tokens)


async def test_somebody_sees_their_sessions_with_where_and_when(node: Identity, ada: Tokens, clock: Clock) -> None:
    clock.pass_(60)
    away = await node.accounts.sign_in("ada", PASSWORD, AWAY)
    clock.pass_(60)
    ada = await node.sessions.refresh(ada.refresh, Caller("192.0.2.99", "x" * 1000))
    await node.accounts.register("grace", "Grace", PASSWORD, HOME)

    here, there = await node.sessions.all_of(ada.principal)
    assert (here.id, here.current, there.id, there.current) == (
        ada.principal.session,
        True,
        away.principal.session,
        False,
    )
    assert (here.address, here.agent) == ("192.0.2.99", "x" * 256)
    assert (there.address, there.agent) == ("198.51.100.7", "Chrome")
    assert here.last_used - here.created == 120
    assert there.last_used == there.created == here.created + 60


async def test_a_user_agent_of_broken_bytes_is_kept_readable(node: Identity) -> None:
    # Bytes of a header that are no UTF-8 reach Python as half surrogates.
    tokens = await node.accounts.enter_as_guest("Zoe", Caller("192.0.2.1\n", "Fire\udcfffox\x1b[2J"))
    (session,) = await node.sessions.all_of(tokens.principal)
    assert (session.address, session.agent) == ("192.0.2.1?", "Fire?fox?[2J")


async def test_signing_out_ends_this_session_and_no_other(node: Identity, ada: Tokens) -> None:
    away = await node.accounts.sign_in("ada", PASSWORD, AWAY)
    await node.sessions.sign_out(ada.principal)
    await node.sessions.sign_out(ada.principal)
    assert signed_out(node.sessions, ada)
    assert "ended" in await refused(node.sessions, ada.refresh)
    assert not signed_out(node.sessions, away)


async def test_a_session_elsewhere_can_be_ended_but_only_ones_own(node: Identity, ada: Tokens) -> None:
    away = await node.accounts.sign_in("ada", PASSWORD, AWAY)
    grace = await node.accounts.register("grace", "Grace", PASSWORD, HOME)
    await node.sessions.end(ada.principal, away.principal.session)
    await node.sessions.end(ada.principal, away.principal.session)
    assert signed_out(node.sessions, away)
    for foreign in (grace.principal.session, "unknown"):
        with pytest.raises(ChatError) as refusal:
            await node.sessions.end(ada.principal, foreign)
        assert refusal.value.code is Code.NOT_FOUND
    assert not signed_out(node.sessions, grace)
    assert not signed_out(node.sessions, ada)


async def test_all_other_sessions_can_be_ended_at_once(node: Identity, ada: Tokens) -> None:
    others = [await node.accounts.sign_in("ada", PASSWORD, AWAY) for _ in range(3)]
    assert await node.sessions.end_others(ada.principal) == 3
    assert await node.sessions.end_others(ada.principal) == 0
    assert all(signed_out(node.sessions, other) for other in others)
    assert not signed_out(node.sessions, ada)


async def test_one_session_too_many_ends_the_one_used_least_recently(
    node: Identity, ada: Tokens, clock: Clock
) -> None:
    for _ in range(MAX_SESSIONS - 1):
        clock.pass_(1)
        await node.accounts.sign_in("ada", PASSWORD, AWAY)
    assert not signed_out(node.sessions, ada)
    clock.pass_(1)
    last = await node.accounts.sign_in("ada", PASSWORD, AWAY)
    assert signed_out(node.sessions, ada)
    assert len(await node.sessions.all_of(last.principal)) == MAX_SESSIONS


async def test_without_the_store_people_stay_signed_in_and_are_told_to_try_again(
    tmp_path: Path, clock: Clock
) -> None:
    async with opened_store(tmp_path) as store:
        people = SqlitePeopleDirectory(store)
        node = await Identity.open(people, SqliteStoreMeta(store), POLICY, passwords=Passwords(CHEAP), clock=clock)
        ada = await node.accounts.register("ada", "Ada", PASSWORD, HOME)
        await store.close()
        assert node.sessions.authenticate(ada.access) == ada.principal
        for request in (node.sessions.refresh(ada.refresh, HOME), node.sessions.sign_out(ada.principal)):
            with pytest.raises(ChatError) as refusal:
                await request
            assert refusal.value.code is Code.UNAVAILABLE
        await node.stop()


async def test_a_refresh_token_of_a_deactivated_account_opens_nothing(
    node: Identity, ada: Tokens, people: PeopleDirectory
) -> None:
    # As a node sees it that reads between the deactivation and the end of the sessions.
    await people.set_active(ada.principal.user, False)
    assert "deactivated" in await refused(node.sessions, ada.refresh)


# The line of tokens, whatever is presented when: `back` counts from the newest one.
STEPS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 1, GRACE_S - 1, GRACE_S + 1])), max_size=12)


@settings(max_examples=60, deadline=None)
@given(STEPS)
async def test_a_session_has_one_line_of_tokens_and_ends_when_an_old_one_is_presented(
    steps: list[tuple[int, int]],
) -> None:
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        async with opened_store(Path(folder)) as store:
            people: PeopleDirectory = SqlitePeopleDirectory(store)
            node = await Identity.open(
                people, SqliteStoreMeta(store), POLICY, passwords=Passwords(CHEAP), clock=clock
            )
            line = [(await node.accounts.enter_as_guest("Zoe", HOME)).refresh]
            rotated, ended = clock.now, False
            for back, seconds in steps:
                clock.pass_(seconds)
                presented = max(0, len(line) - 1 - back)
                allowed = not ended and (
                    presented == len(line) - 1 or (presented == len(line) - 2 and clock.now - rotated <= GRACE_S)
                )
                if not allowed:
                    await refused(node.sessions, line[presented])
                    ended = True
                    continue
                renewed = await node.sessions.refresh(line[presented], HOME)
                if presented == len(line) - 1:
                    line.append(renewed.refresh)
                    rotated = clock.now
                assert renewed.refresh == line[-1]
            assert len(set(line)) == len(line)
            await node.stop()
