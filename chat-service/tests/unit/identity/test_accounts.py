"""Accounts: signing in, guests, and what changes of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest
from argon2 import PasswordHasher

from chat_service.directory.people import PeopleDirectory
from chat_service.identity.passwords import Passwords
from chat_service.identity.policy import Registration
from chat_service.identity.principal import Caller
from chat_service.identity.service import Identity
from chat_service.identity.sessions import Tokens
from chat_service.model.errors import ChatError, Code
from chat_service.model.ids import USER_GUEST
from chat_service.rate import Rate

from .conftest import AWAY, HOME, PASSWORD, POLICY, Clock, NewNode, Slow, refusal_of

NEW_PASSWORD = "staple battery horse"


@pytest.fixture
async def ada(node: Identity) -> Tokens:
    return await node.accounts.register("Ada", "Ada Lovelace", PASSWORD, HOME)


async def end_of(node: Identity, tokens: Tokens) -> None:
    """Fail unless the session is over, for both of its tokens."""
    with pytest.raises(ChatError):
        node.sessions.authenticate(tokens.access)
    await refusal_of(node.sessions.refresh(tokens.refresh, HOME), Code.UNAUTHENTICATED)


# Signing in


async def test_the_password_opens_another_session(node: Identity, ada: Tokens) -> None:
    again = await node.accounts.sign_in(" ADA ", PASSWORD, AWAY)
    assert again.principal.user == ada.principal.user
    assert again.principal.session != ada.principal.session


async def test_a_wrong_name_and_a_wrong_password_are_told_apart_by_nobody(node: Identity, ada: Tokens) -> None:
    guest = await node.accounts.enter_as_guest("Zoe", HOME)
    messages = {
        (await refusal_of(node.accounts.sign_in(handle, password, HOME), Code.UNAUTHENTICATED)).message
        for handle, password in [
            ("ada", "wrong password"),
            ("nobody", PASSWORD),
            ("no such name!", PASSWORD),
            (guest.principal.handle, ""),
        ]
    }
    assert len(messages) == 1


async def test_after_too_many_wrong_passwords_an_account_waits_wherever_one_comes_from(
    node: Identity, ada: Tokens, clock: Clock
) -> None:
    for host in range(5):
        await refusal_of(
            node.accounts.sign_in("ada", "wrong password", Caller(f"192.0.2.{host}")), Code.UNAUTHENTICATED
        )
    locked = await refusal_of(node.accounts.sign_in("ada", PASSWORD, AWAY), Code.RATE_LIMITED)
    assert "minute" in locked.message
    assert locked.retry_after_ms is not None
    clock.pass_(locked.retry_after_ms / 1000)
    assert await node.accounts.sign_in("ada", PASSWORD, AWAY)


async def test_after_too_many_wrong_passwords_an_address_waits_whatever_name_it_tries(
    node: Identity, ada: Tokens
) -> None:
    for number in range(5):
        await refusal_of(
            node.accounts.sign_in(f"name{number}", PASSWORD, Caller(f"2001:db8::{number}")),
            Code.UNAUTHENTICATED,
        )
    await refusal_of(node.accounts.sign_in("ada", PASSWORD, Caller("2001:db8::77")), Code.RATE_LIMITED)
    assert await node.accounts.sign_in("ada", PASSWORD, AWAY)


async def test_wrong_passwords_are_remembered_by_every_node_and_after_a_restart(
    node: Identity, new_node: NewNode, ada: Tokens
) -> None:
    for _ in range(5):
        await refusal_of(node.accounts.sign_in("ada", "wrong password", HOME), Code.UNAUTHENTICATED)
    restarted = await new_node()
    await refusal_of(restarted.accounts.sign_in("ada", PASSWORD, AWAY), Code.RATE_LIMITED)


async def test_a_success_forgets_the_mistakes_before_it_and_counts_against_nobody(
    node: Identity, ada: Tokens
) -> None:
    for _ in range(2):
        for host in range(4):
            await refusal_of(
                node.accounts.sign_in("ada", "wrong password", Caller(f"192.0.2.{host}")),
                Code.UNAUTHENTICATED,
            )
        await node.accounts.sign_in("ada", PASSWORD, HOME)
    for _ in range(20):
        await node.accounts.sign_in("ada", PASSWORD, HOME)


async def test_many_wrong_passwords_at_once_do_not_pass_the_limit(node: Identity, ada: Tokens) -> None:
    outcomes = await asyncio.gather(
        *(node.accounts.sign_in("ada", "wrong password", AWAY) for _ in range(20)), return_exceptions=True
    )
    codes = [outcome.code for outcome in outcomes if isinstance(outcome, ChatError)]
    assert codes.count(Code.UNAUTHENTICATED) == 5
    assert codes.count(Code.RATE_LIMITED) == 15


async def test_an_attempt_that_could_not_be_decided_is_not_held_against_anybody(
    node: Identity, ada: Tokens
) -> None:
    many = [node.accounts.sign_in("ada", "half a pair \ud800", AWAY) for _ in range(10)]
    for attempt in many:
        await refusal_of(attempt, Code.INVALID)
    assert await node.accounts.sign_in("ada", PASSWORD, AWAY)


async def test_a_hash_of_weaker_parameters_is_renewed_by_signing_in(
    node: Identity, new_node: NewNode, ada: Tokens, people: PeopleDirectory
) -> None:
    stronger = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    node = await new_node(passwords=Passwords(stronger))
    before = await people.credential("ada")
    await asyncio.gather(*(node.accounts.sign_in("ada", PASSWORD, HOME) for _ in range(3)))
    after = await people.credential("ada")
    assert before is not None
    assert after is not None
    assert stronger.check_needs_rehash(before.password_hash)
    assert not stronger.check_needs_rehash(after.password_hash)
    assert await node.accounts.sign_in("ada", PASSWORD, HOME)


# Guests


async def test_a_guest_needs_only_a_name_and_is_known_as_a_guest(node: Identity) -> None:
    one = await node.accounts.enter_as_guest(" Zoe ", HOME)
    two = await node.accounts.enter_as_guest("Zoe", HOME)
    principal = node.sessions.authenticate(one.access)
    assert principal.guest
    assert principal.user[0] == USER_GUEST
    assert (principal.name, principal.handle) == ("Zoe", principal.user)
    assert two.principal.user != principal.user
    assert (await node.sessions.refresh(one.refresh, HOME)).principal.guest


async def test_where_guests_are_off_nobody_comes_without_an_account(new_node: NewNode) -> None:
    node = await new_node(replace(POLICY, guests=False))
    await refusal_of(node.accounts.enter_as_guest("Zoe", HOME), Code.FORBIDDEN)


async def test_one_address_brings_only_so_many_guests(new_node: NewNode) -> None:
    node = await new_node(replace(POLICY, guest_attempts=Rate(2, 60, 2)))
    for _ in range(2):
        await node.accounts.enter_as_guest("Zoe", HOME)
    await refusal_of(node.accounts.enter_as_guest("Zoe", HOME), Code.RATE_LIMITED)


async def test_a_guest_has_no_password_to_change_or_reset_and_no_rights(node: Identity) -> None:
    guest = (await node.accounts.enter_as_guest("Zoe", HOME)).principal
    await refusal_of(node.accounts.change_password(guest, "", NEW_PASSWORD, HOME), Code.FORBIDDEN)
    await refusal_of(node.accounts.reset_password(guest.user, NEW_PASSWORD), Code.NOT_FOUND)
    await refusal_of(node.accounts.set_admin(guest.user, admin=True), Code.NOT_FOUND)


# Changes


async def test_a_new_password_ends_every_other_session(node: Identity, ada: Tokens) -> None:
    away = await node.accounts.sign_in("ada", PASSWORD, AWAY)
    await node.accounts.change_password(ada.principal, PASSWORD, NEW_PASSWORD, HOME)
    await end_of(node, away)
    assert node.sessions.authenticate(ada.access)
    await refusal_of(node.accounts.sign_in("ada", PASSWORD, HOME), Code.UNAUTHENTICATED)
    assert await node.accounts.sign_in("ada", NEW_PASSWORD, HOME)


async def test_the_password_is_changed_only_by_who_knows_it_and_guesses_are_counted(
    node: Identity, ada: Tokens
) -> None:
    for _ in range(5):
        await refusal_of(
            node.accounts.change_password(ada.principal, "wrong password", NEW_PASSWORD, HOME), Code.FORBIDDEN
        )
    await refusal_of(node.accounts.change_password(ada.principal, PASSWORD, NEW_PASSWORD, HOME), Code.RATE_LIMITED)


async def test_a_new_password_outside_the_rules_changes_nothing(node: Identity, ada: Tokens) -> None:
    await refusal_of(node.accounts.change_password(ada.principal, PASSWORD, "short", HOME), Code.INVALID)
    assert await node.accounts.sign_in("ada", PASSWORD, HOME)


async def test_of_two_changes_of_one_password_at_once_one_wins(node: Identity, ada: Tokens) -> None:
    outcomes = await asyncio.gather(
        *(node.accounts.change_password(ada.principal, PASSWORD, f"{NEW_PASSWORD} {n}", HOME) for n in range(2)),
        return_exceptions=True,
    )
    (loser,) = [outcome for outcome in outcomes if outcome is not None]
    assert isinstance(loser, ChatError)
    assert loser.code is Code.CONFLICT
    assert await node.accounts.sign_in("ada", f"{NEW_PASSWORD} {outcomes.index(None)}", HOME)


async def test_no_sign_in_with_the_old_password_survives_its_change(
    node: Identity, slow: Slow, ada: Tokens
) -> None:
    late = await slow.begin(slow.node.accounts.sign_in("ada", PASSWORD, AWAY))
    await node.accounts.change_password(ada.principal, PASSWORD, NEW_PASSWORD, HOME)
    await refusal_of(slow.end(late), Code.UNAUTHENTICATED)
    assert len(await node.sessions.all_of(ada.principal)) == 1


async def test_a_display_name_can_be_changed(node: Identity, ada: Tokens) -> None:
    assert await node.accounts.change_name(ada.principal, " Countess  Lovelace ") == "Countess Lovelace"
    profiles = await node.profiles.by_ids([ada.principal.user])
    assert profiles[ada.principal.user].name == "Countess Lovelace"
    await refusal_of(node.accounts.change_name(ada.principal, ""), Code.INVALID)


# Administrators


async def test_the_first_administrator_is_made_whatever_the_policy(new_node: NewNode) -> None:
    node = await new_node(replace(POLICY, registration=Registration.CLOSED))
    root = await node.accounts.create("root", "Root", PASSWORD, admin=True)
    assert root.admin
    tokens = await node.accounts.sign_in("root", PASSWORD, HOME)
    assert node.sessions.authenticate(tokens.access).admin
    await refusal_of(node.accounts.create("root", "Root", PASSWORD), Code.CONFLICT)


async def test_a_lost_password_can_be_reset_and_ends_all_sessions(node: Identity, ada: Tokens) -> None:
    await node.accounts.reset_password(ada.principal.user, NEW_PASSWORD)
    await end_of(node, ada)
    assert await node.accounts.sign_in("ada", NEW_PASSWORD, HOME)


async def test_whoever_is_no_administrator_any_more_is_none_at_once(
    node: Identity, ada: Tokens, clock: Clock
) -> None:
    await node.accounts.set_admin(ada.principal.user, admin=True)
    clock.pass_(1)
    admin = await node.sessions.refresh(ada.refresh, HOME)
    assert node.sessions.authenticate(admin.access).admin
    await node.accounts.set_admin(ada.principal.user, admin=False)
    with pytest.raises(ChatError, match="revoked"):
        node.sessions.authenticate(admin.access)
    clock.pass_(1)
    again = await node.sessions.refresh(admin.refresh, HOME)
    assert not node.sessions.authenticate(again.access).admin


async def test_a_deactivated_account_is_signed_out_everywhere_until_it_is_activated(
    node: Identity, ada: Tokens, clock: Clock
) -> None:
    await node.accounts.set_active(ada.principal.user, active=False)
    await end_of(node, ada)
    refusal = await refusal_of(node.accounts.sign_in("ada", PASSWORD, HOME), Code.FORBIDDEN)
    assert "deactivated" in refusal.message
    await refusal_of(node.accounts.sign_in("ada", "wrong password", HOME), Code.UNAUTHENTICATED)

    await node.accounts.set_active(ada.principal.user, active=True)
    clock.pass_(1)
    tokens = await node.accounts.sign_in("ada", PASSWORD, HOME)
    assert node.sessions.authenticate(tokens.access)


async def test_a_deactivation_ends_access_tokens_that_outlive_their_session(
    new_node: NewNode, clock: Clock
) -> None:
    node = await new_node(replace(POLICY, refresh_token_ttl_s=1))
    ada = await node.accounts.register("ada", "Ada", PASSWORD, HOME)
    clock.pass_(2)
    assert node.sessions.authenticate(ada.access)
    await node.accounts.set_active(ada.principal.user, active=False)
    await end_of(node, ada)


async def test_a_sign_in_that_meets_a_deactivation_leaves_no_session(
    node: Identity, slow: Slow, ada: Tokens
) -> None:
    late = await slow.begin(slow.node.accounts.sign_in("ada", PASSWORD, AWAY))
    await node.accounts.set_active(ada.principal.user, active=False)
    await refusal_of(slow.end(late), Code.UNAUTHENTICATED)
    assert await node.sessions.all_of(ada.principal) == []


@pytest.mark.parametrize("user", ["", "unknown"])
async def test_nobody_is_changed_who_does_not_exist(node: Identity, user: str) -> None:
    for request in (
        node.accounts.reset_password(user, NEW_PASSWORD),
        node.accounts.set_admin(user, admin=True),
        node.accounts.set_active(user, active=False),
    ):
        await refusal_of(request, Code.NOT_FOUND)


async def test_a_person_who_is_gone_changes_nothing(node: Identity, ada: Tokens) -> None:
    gone = msgspec.structs.replace(ada.principal, user="unknown")
    await refusal_of(node.accounts.change_name(gone, "Ada"), Code.NOT_FOUND)


async def test_of_two_administrators_who_make_one_username_at_once_one_does(node: Identity, slow: Slow) -> None:
    late = await slow.begin(slow.node.accounts.create("ada", "Ada", PASSWORD))
    await node.accounts.create("ada", "Ada", PASSWORD)
    await refusal_of(slow.end(late), Code.CONFLICT)
