"""Registering: by oneself, by an invite, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chat_service.identity.policy import Registration
from chat_service.identity.principal import Caller
from chat_service.identity.service import Identity
from chat_service.identity.sessions import Tokens
from chat_service.model.errors import Code
from chat_service.model.ids import USER_REGISTERED, is_user_id
from chat_service.rate import Rate

from .conftest import AWAY, HOME, PASSWORD, POLICY, Clock, NewNode, Slow, refusal_of


@pytest.fixture
async def ada(node: Identity) -> Tokens:
    return await node.accounts.register("Ada", "Ada Lovelace", PASSWORD, HOME)


async def test_whoever_registers_is_signed_in(node: Identity, ada: Tokens) -> None:
    principal = node.sessions.authenticate(ada.access)
    assert is_user_id(principal.user)
    assert principal.user[0] == USER_REGISTERED
    assert (principal.handle, principal.name, principal.admin) == ("ada", "Ada Lovelace", False)


@pytest.mark.parametrize("handle", ["ada", "ADA", " ada "])
async def test_a_username_is_given_once(node: Identity, ada: Tokens, handle: str) -> None:
    refusal = await refusal_of(node.accounts.register(handle, "Ada", PASSWORD, AWAY), Code.CONFLICT)
    assert "'ada' is taken" in refusal.message


async def test_of_two_who_register_one_username_at_once_one_gets_it(node: Identity, slow: Slow) -> None:
    late = await slow.begin(slow.node.accounts.register("ada", "Ada", PASSWORD, AWAY))
    await node.accounts.register("ada", "Ada", PASSWORD, HOME)
    await refusal_of(slow.end(late), Code.CONFLICT)


@pytest.mark.parametrize(
    ("handle", "name", "password"),
    [("x", "Ada", PASSWORD), ("ada", "\u202eadA", PASSWORD), ("ada", "Ada", "short")],
)
async def test_values_outside_the_rules_make_no_account(
    node: Identity, handle: str, name: str, password: str
) -> None:
    await refusal_of(node.accounts.register(handle, name, password, HOME), Code.INVALID)
    assert (await node.profiles.search("")).profiles == []


async def test_where_registration_is_closed_nobody_registers(new_node: NewNode) -> None:
    node = await new_node(replace(POLICY, registration=Registration.CLOSED))
    await refusal_of(node.accounts.register("ada", "Ada", PASSWORD, HOME, "invite"), Code.FORBIDDEN)


async def test_one_address_registers_only_so_often(new_node: NewNode, clock: Clock) -> None:
    node = await new_node(replace(POLICY, register_attempts=Rate(2, 3600, 2)))
    network = [Caller(f"2001:db8::{host}") for host in range(4)]
    for host, caller in enumerate(network[:2]):
        await node.accounts.register(f"ada{host}", "Ada", PASSWORD, caller)
    refusal = await refusal_of(node.accounts.register("ada3", "Ada", PASSWORD, network[2]), Code.RATE_LIMITED)
    assert refusal.retry_after_ms is not None
    await node.accounts.register("zoe", "Zoe", PASSWORD, AWAY)
    clock.pass_(refusal.retry_after_ms / 1000)
    await node.accounts.register("ada3", "Ada", PASSWORD, network[3])


# By invite


@pytest.fixture
async def by_invite(new_node: NewNode) -> Identity:
    return await new_node(replace(POLICY, registration=Registration.INVITE))


async def invite_of(node: Identity, *, max_uses: int = 1) -> str:
    root = await node.accounts.create("root", "Root", PASSWORD, admin=True)
    tokens = await node.accounts.sign_in(root.handle, PASSWORD, HOME)
    new = await node.invites.create(tokens.principal, registers=True, max_uses=max_uses)
    return new.token


async def test_where_an_invite_is_needed_it_lets_one_person_register(by_invite: Identity) -> None:
    accounts = by_invite.accounts
    invite = await invite_of(by_invite)
    await refusal_of(accounts.register("ada", "Ada", PASSWORD, HOME), Code.FORBIDDEN)
    await refusal_of(accounts.register("ada", "Ada", PASSWORD, HOME, "made up"), Code.NOT_FOUND)
    assert await accounts.register("ada", "Ada", PASSWORD, HOME, invite)
    await refusal_of(accounts.register("zoe", "Zoe", PASSWORD, HOME, invite), Code.NOT_FOUND)


async def test_a_username_taken_meanwhile_costs_no_use_of_the_invite(by_invite: Identity, slow: Slow) -> None:
    invite = await invite_of(by_invite)
    late = await slow.begin(slow.node.accounts.register("ada", "Ada", PASSWORD, AWAY, invite))
    await by_invite.accounts.create("ada", "Ada", PASSWORD)
    await refusal_of(slow.end(late), Code.CONFLICT)
    assert await by_invite.accounts.register("zoe", "Zoe", PASSWORD, HOME, invite)


async def test_an_invite_to_a_room_alone_lets_nobody_register(by_invite: Identity) -> None:
    await invite_of(by_invite)
    root = await by_invite.accounts.sign_in("root", PASSWORD, HOME)
    new = await by_invite.invites.create(root.principal, room="c" + "a" * 21)
    await refusal_of(by_invite.accounts.register("ada", "Ada", PASSWORD, HOME, new.token), Code.FORBIDDEN)
