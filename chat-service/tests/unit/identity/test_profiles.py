"""Profiles: finding people."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat_service.identity.principal import UserKind
from chat_service.identity.profiles import MAX_BATCH, MAX_PAGE
from chat_service.identity.service import Identity
from chat_service.model.errors import Code

from .conftest import HOME, PASSWORD, refusal_of


async def people_of(node: Identity, *handles: str) -> dict[str, str]:
    made = [await node.accounts.create(handle, handle.title(), PASSWORD) for handle in handles]
    return {user.handle: user.id for user in made}


async def test_people_are_looked_up_by_id_guests_too(node: Identity) -> None:
    ids = await people_of(node, "ada")
    guest = (await node.accounts.enter_as_guest("Zoe", HOME)).principal
    found = await node.profiles.by_ids([ids["ada"], guest.user, "unknown"])
    assert found.keys() == {ids["ada"], guest.user}
    assert (found[ids["ada"]].handle, found[ids["ada"]].kind) == ("ada", UserKind.REGISTERED)
    assert (found[guest.user].name, found[guest.user].kind) == ("Zoe", UserKind.GUEST)


async def test_mentions_find_people_however_they_are_written(node: Identity) -> None:
    ids = await people_of(node, "ada", "grace")
    found = await node.profiles.ids_by_handles(["ada", "GRACE", "nobody", "not a handle!", "\ud800"])
    assert found == {"ada": ids["ada"], "GRACE": ids["grace"]}


async def test_a_search_goes_page_by_page_to_its_end(node: Identity) -> None:
    await people_of(node, *(f"ada{number}" for number in range(5)), "grace")
    seen: list[str] = []
    after = ""
    for _ in range(3):
        page = await node.profiles.search("@ADA", after=after, limit=2)
        seen += [profile.handle for profile in page.profiles]
        if page.next is None:
            break
        after = page.next
    assert seen == [f"ada{number}" for number in range(5)]


async def test_a_page_that_is_just_full_is_the_last_one(node: Identity) -> None:
    await people_of(node, "ada1", "ada2")
    page = await node.profiles.search("ada", limit=2)
    assert len(page.profiles) == 2
    assert page.next is None


async def test_a_deactivated_person_keeps_a_profile_and_is_not_found_by_searching(node: Identity) -> None:
    ids = await people_of(node, "ada")
    await node.accounts.set_active(ids["ada"], active=False)
    assert not (await node.profiles.by_ids(ids.values()))[ids["ada"]].active
    assert (await node.profiles.search("ada")).profiles == []


async def test_look_ups_and_pages_are_bounded(node: Identity) -> None:
    many = [str(number) for number in range(MAX_BATCH + 1)]
    await refusal_of(node.profiles.by_ids(many), Code.INVALID)
    await refusal_of(node.profiles.ids_by_handles(many), Code.INVALID)
    for limit in (0, MAX_PAGE + 1):
        await refusal_of(node.profiles.search("", limit=limit), Code.INVALID)
    await refusal_of(node.profiles.search("x" * 65), Code.INVALID)


NAMES = {"ada": "Ada", "adam": "Zoë", "grace": "adele", "zoe": "Straße", "x1": "\U0001f680 Ada"}
PREFIXES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.text("adeADEzoëZOËsSß%_*\U0001f680", max_size=4),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(PREFIXES)
async def test_whatever_is_searched_for_finds_exactly_the_people_who_begin_so(
    searched: Identity, prefix: str
) -> None:
    wanted = unicodedata.normalize("NFC", prefix).strip().removeprefix("@").casefold()
    found = [profile.handle for profile in (await searched.profiles.search(prefix)).profiles]
    assert found == sorted(
        handle for handle, name in NAMES.items() if handle.startswith(wanted) or name.casefold().startswith(wanted)
    )


@pytest.fixture
async def searched(node: Identity) -> Identity:
    for handle, name in NAMES.items():
        await node.accounts.create(handle, name, PASSWORD)
    return node
