"""Invites: links that let people in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chat_service.identity.invites import MAX_LIFETIME_S, MAX_USES
from chat_service.identity.principal import Principal
from chat_service.identity.service import Identity
from chat_service.model.errors import Code
from chat_service.model.permissions import Role

from .conftest import HOME, PASSWORD, Clock, refusal_of, stored_bytes

ROOM = "c" + "a" * 21
OTHER_ROOM = "c" + "b" * 21


@pytest.fixture
async def ada(node: Identity) -> Principal:
    return (await node.accounts.register("ada", "Ada", PASSWORD, HOME)).principal


@pytest.fixture
async def root(node: Identity) -> Principal:
    await node.accounts.create("root", "Root", PASSWORD, admin=True)
    return (await node.accounts.sign_in("root", PASSWORD, HOME)).principal


async def guests(node: Identity, count: int) -> list[Principal]:
    return [(await node.accounts.enter_as_guest(f"Guest {n}", HOME)).principal for n in range(count)]


async def test_a_link_says_what_it_is_for_before_it_is_used(node: Identity, ada: Principal, clock: Clock) -> None:
    new = await node.invites.create(ada, room=ROOM, role=Role.GUEST, lifetime_s=3600, max_uses=5)
    seen = await node.invites.look(new.token)
    assert seen == new.invite
    assert (seen.room, seen.role, seen.registers, seen.creator) == (ROOM, Role.GUEST, False, ada.user)
    assert (seen.uses, seen.max_uses, seen.expires - seen.created) == (0, 5, 3600)


async def test_a_link_lets_in_as_many_as_it_says_and_a_repeat_costs_nothing(
    node: Identity, ada: Principal
) -> None:
    link = (await node.invites.create(ada, room=ROOM, max_uses=2)).token
    one, two, three = await guests(node, 3)
    assert (await node.invites.redeem(link, one)).uses == 1
    assert (await node.invites.redeem(link, one)).uses == 1
    assert (await node.invites.redeem(link, two)).role is Role.MEMBER
    await refusal_of(node.invites.redeem(link, three), Code.NOT_FOUND)
    await refusal_of(node.invites.look(link), Code.NOT_FOUND)
    assert (await node.invites.redeem(link, one)).room == ROOM


async def test_a_link_that_registers_and_invites_takes_one_use_for_both(node: Identity, root: Principal) -> None:
    link = (await node.invites.create(root, room=ROOM, registers=True)).token
    await node.invites.take_for_registration(link, root.user)
    assert (await node.invites.redeem(link, root)).uses == 1


async def test_a_link_ends_when_it_expires(node: Identity, ada: Principal, clock: Clock) -> None:
    link = (await node.invites.create(ada, room=ROOM, lifetime_s=60)).token
    clock.pass_(60)
    await refusal_of(node.invites.redeem(link, ada), Code.NOT_FOUND)
    await refusal_of(node.invites.look(link), Code.NOT_FOUND)
    assert await node.invites.of_room(ROOM) == []


async def test_a_link_ends_when_it_is_revoked_in_its_own_room(node: Identity, ada: Principal) -> None:
    new = await node.invites.create(ada, room=ROOM)
    await refusal_of(node.invites.revoke(OTHER_ROOM, new.invite.id), Code.NOT_FOUND)
    await node.invites.revoke(ROOM, new.invite.id)
    await refusal_of(node.invites.redeem(new.token, ada), Code.NOT_FOUND)


async def test_the_links_of_a_room_are_listed_newest_first_without_their_tokens(
    node: Identity, ada: Principal, root: Principal, clock: Clock
) -> None:
    first = await node.invites.create(ada, room=ROOM)
    clock.pass_(1)
    second = await node.invites.create(ada, room=ROOM)
    await node.invites.create(ada, room=OTHER_ROOM)
    registers = await node.invites.create(root, registers=True)
    assert await node.invites.of_room(ROOM) == [second.invite, first.invite]
    assert await node.invites.of_room("") == [registers.invite]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"room": "no room"},
        {"room": ROOM, "role": Role.ADMIN},
        {"room": ROOM, "role": Role.OWNER},
        {"room": ROOM, "lifetime_s": 59},
        {"room": ROOM, "lifetime_s": MAX_LIFETIME_S + 1},
        {"room": ROOM, "max_uses": 0},
        {"room": ROOM, "max_uses": MAX_USES + 1},
    ],
)
async def test_an_invite_outside_the_rules_is_not_made(
    node: Identity, ada: Principal, asked: dict[str, Any]
) -> None:
    await refusal_of(node.invites.create(ada, **asked), Code.INVALID)


async def test_only_administrators_invite_to_register(node: Identity, ada: Principal) -> None:
    await refusal_of(node.invites.create(ada, room=ROOM, registers=True), Code.FORBIDDEN)


async def test_a_link_that_only_registers_opens_no_room(node: Identity, ada: Principal, root: Principal) -> None:
    link = (await node.invites.create(root, registers=True)).token
    await refusal_of(node.invites.redeem(link, ada), Code.NOT_FOUND)
    assert (await node.invites.look(link)).uses == 0


@pytest.mark.parametrize("token", ["", "made up", "x" * 1_000_000, "\ud800"])
async def test_a_link_that_was_never_made_lets_nobody_in(node: Identity, ada: Principal, token: str) -> None:
    await refusal_of(node.invites.redeem(token, ada), Code.NOT_FOUND)
    await refusal_of(node.invites.look(token), Code.NOT_FOUND)
    await refusal_of(node.invites.take_for_registration(token, ada.user), Code.NOT_FOUND)


async def test_the_store_and_what_is_printed_hold_no_link(node: Identity, ada: Principal, tmp_path: Path) -> None:
    new = await node.invites.create(ada, room=ROOM)
    assert new.token.encode() not in stored_bytes(tmp_path)
    assert new.token not in repr(new)
