"""What every adapter of PeopleDirectory must do. A new adapter joins by its name in `ADAPTERS`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from chat_service.directory.mongo_people import MIGRATIONS as MONGO_MIGRATIONS
from chat_service.directory.mongo_people import MongoPeopleDirectory
from chat_service.directory.people import (
    Invite,
    PeopleDirectory,
    Revocation,
    RevocationKind,
    Rotation,
    Session,
    User,
)
from chat_service.directory.sqlite_people import MIGRATIONS, SqlitePeopleDirectory
from chat_service.model.errors import ChatError, Code
from chat_service.storage.migrations import migrate
from chat_service.storage.mongo import MongoStore
from chat_service.storage.sqlite import SqliteStore
from servers.mongo_stores import mongo_stores

NOW = 1_800_000_000
ROOM = "c" + "a" * 21


Directories = tuple[PeopleDirectory, PeopleDirectory]


@asynccontextmanager
async def sqlite(request: pytest.FixtureRequest) -> AsyncIterator[Directories]:
    folder: Path = request.getfixturevalue("tmp_path")
    stores = [SqliteStore(folder / "chat.db") for _ in range(2)]
    for store in stores:
        await store.open(exclusive=False)
    await migrate(stores[0], MIGRATIONS)
    yield SqlitePeopleDirectory(stores[0]), SqlitePeopleDirectory(stores[1])
    for store in stores:
        await store.close()


@asynccontextmanager
async def mongo(request: pytest.FixtureRequest) -> AsyncIterator[Directories]:
    async with mongo_stores(request.getfixturevalue("mongodb_uri"), MONGO_MIGRATIONS) as (one, other):
        yield MongoPeopleDirectory(one), MongoPeopleDirectory(other)


ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Directories]]] = {
    "sqlite": sqlite,
    "mongo": mongo,
}


@pytest.fixture(params=ADAPTERS)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Directories]:
    """Two nodes on one store."""
    async with ADAPTERS[request.param](request) as directories:
        yield directories


@pytest.fixture
def people(pair: Directories) -> PeopleDirectory:
    return pair[0]


def user(handle: str, **changes: object) -> User:
    base = User(
        id=f"id-{handle}",
        handle=handle,
        name=handle.title(),
        guest=False,
        admin=False,
        active=True,
        created=NOW,
    )
    return msgspec.structs.replace(base, **changes)


def session(id_: str, **changes: object) -> Session:
    base = Session(
        id=id_,
        user="id-ada",
        created=NOW,
        last_used=NOW,
        expires=NOW + 100,
        address="192.0.2.1",
        agent="Firefox",
        family=b"family",
        current=b"one",
    )
    return msgspec.structs.replace(base, **changes)


def invite(id_: str, **changes: object) -> Invite:
    base = Invite(
        id=id_,
        token_digest=id_.encode(),
        room=ROOM,
        role="member",
        registers=False,
        creator="id-ada",
        created=NOW,
        expires=NOW + 100,
        max_uses=2,
    )
    return msgspec.structs.replace(base, **changes)


ROTATION = Rotation(
    current=b"two", sealed=b"sealed", at=NOW + 5, expires=NOW + 105, address="192.0.2.2", agent="Chrome"
)


# Users


async def test_a_user_is_found_as_stored_by_id_by_handle_and_with_the_password(people: PeopleDirectory) -> None:
    ada = user("ada", admin=True)
    assert await people.add_user(ada, "hash")
    assert await people.users(["id-ada", "id-nobody"]) == {"id-ada": ada}
    assert await people.ids_by_handles(["ada", "nobody"]) == {"ada": "id-ada"}
    found = await people.credential("ada")
    assert found is not None
    assert (found.user, found.password_hash) == (ada, "hash")
    assert "hash" not in repr(found)
    assert await people.credential("nobody") is None


async def test_of_many_who_take_one_handle_on_two_nodes_one_gets_it(pair: Directories) -> None:
    outcomes = await asyncio.gather(*(pair[n % 2].add_user(user("ada", id=f"id-{n}"), str(n)) for n in range(6)))
    assert outcomes.count(True) == 1
    found = await pair[0].credential("ada")
    assert found is not None
    assert (found.user.id, found.password_hash) == (f"id-{outcomes.index(True)}", str(outcomes.index(True)))


async def test_an_id_is_nobody_elses(people: PeopleDirectory) -> None:
    assert await people.add_user(user("ada", id="same"), "1")
    assert not await people.add_user(user("grace", id="same"), "2")
    assert await people.credential("grace") is None


async def test_of_two_passwords_set_at_once_from_the_same_one_stays(pair: Directories) -> None:
    await pair[0].add_user(user("ada"), "old")
    outcomes = await asyncio.gather(*(pair[n % 2].set_password("id-ada", "old", f"new {n}") for n in range(4)))
    assert outcomes.count(True) == 1
    found = await pair[0].credential("ada")
    assert found is not None
    assert found.password_hash == f"new {outcomes.index(True)}"


async def test_a_password_changes_only_from_the_one_that_was_seen(people: PeopleDirectory) -> None:
    await people.add_user(user("ada"), "old")
    assert not await people.set_password("id-ada", "older", "new")
    assert await people.set_password("id-ada", "old", "new")
    assert await people.set_password("id-ada", None, "reset")
    found = await people.credential("ada")
    assert found is not None
    assert found.password_hash == "reset"
    assert not await people.set_password("id-nobody", None, "new")


async def test_what_changes_of_a_user_is_seen_and_nobody_is_changed_who_does_not_exist(
    people: PeopleDirectory,
) -> None:
    await people.add_user(user("ada"), "hash")
    assert await people.set_name("id-ada", "Ada L.")
    assert await people.set_admin("id-ada", True)
    assert await people.set_active("id-ada", False)
    assert (await people.users(["id-ada"]))["id-ada"] == user("ada", name="Ada L.", admin=True, active=False)
    assert not await people.set_name("id-nobody", "x")
    assert not await people.set_admin("id-nobody", True)
    assert not await people.set_active("id-nobody", True)


async def test_a_search_finds_active_people_by_how_handle_or_name_begin_page_by_page(
    people: PeopleDirectory,
) -> None:
    for person in (
        user("lovelace", name="Ada"),
        user("ada", name="Somebody"),
        user("adam", name="Adam"),
        user("zoe", name="ÀDA Straße"),
        user("gone", name="Ada", active=False),
        user("guest", name="Ada", guest=True),
    ):
        await people.add_user(person, "")

    async def found(prefix: str, after: str = "", limit: int = 10) -> list[str]:
        return [each.handle for each in await people.search_users(prefix, after, limit)]

    assert await found("ada") == ["ada", "adam", "lovelace"]
    assert await found("ada", limit=2) == ["ada", "adam"]
    assert await found("ada", after="adam") == ["lovelace"]
    assert await found("àda strass") == ["zoe"]
    assert await found("") == ["ada", "adam", "lovelace", "zoe"]
    assert await found("%") == []
    await people.set_name("id-ada", "Grace")
    assert await found("grace") == ["ada"]


# Sessions


async def test_a_session_is_found_as_stored(people: PeopleDirectory) -> None:
    await people.add_session(session("s1"))
    assert await people.session("s1") == session("s1")
    assert await people.session("s2") is None


async def test_the_live_sessions_of_a_user_are_listed_most_recently_used_first(people: PeopleDirectory) -> None:
    await people.add_session(session("s1", last_used=NOW - 5))
    await people.add_session(session("s2"))
    await people.add_session(session("expired", expires=NOW))
    await people.add_session(session("ended"))
    await people.add_session(session("other", user="id-grace"))
    await people.end_session("ended", NOW)
    assert [each.id for each in await people.sessions_of("id-ada", NOW)] == ["s2", "s1"]


async def test_a_rotation_makes_the_current_token_the_previous_one(people: PeopleDirectory) -> None:
    await people.add_session(session("s1"))
    assert await people.rotate_session("s1", b"one", ROTATION)
    assert await people.session("s1") == session(
        "s1",
        current=b"two",
        previous=b"one",
        sealed=b"sealed",
        rotated=NOW + 5,
        last_used=NOW + 5,
        expires=NOW + 105,
        address="192.0.2.2",
        agent="Chrome",
    )


async def test_of_many_who_exchange_one_token_on_two_nodes_one_does(pair: Directories) -> None:
    await pair[0].add_session(session("s1"))
    tokens = [f"new {n}".encode() for n in range(6)]
    outcomes = await asyncio.gather(
        *(
            pair[n % 2].rotate_session("s1", b"one", msgspec.structs.replace(ROTATION, current=token))
            for n, token in enumerate(tokens)
        )
    )
    assert outcomes.count(True) == 1
    found = await pair[1].session("s1")
    assert found is not None
    assert (found.current, found.previous) == (tokens[outcomes.index(True)], b"one")


async def test_a_session_that_two_nodes_end_at_once_is_ended_by_one_of_them_and_revoked(pair: Directories) -> None:
    one, other = pair
    await one.add_session(session("s1"))
    outcomes = await asyncio.gather(*(pair[n % 2].end_session("s1", NOW) for n in range(6)))
    assert outcomes.count(True) == 1
    assert {each.id for each in await other.revocations(0, 0, 10)} == {"s1"}
    assert not await other.rotate_session("s1", b"one", ROTATION)


async def test_an_ended_session_is_not_rotated(people: PeopleDirectory) -> None:
    await people.add_session(session("s1"))
    await people.end_session("s1", NOW)
    assert not await people.rotate_session("s1", b"one", ROTATION)
    assert not await people.rotate_session("unknown", b"one", ROTATION)


async def test_ending_a_session_is_logged_as_a_revocation_once(people: PeopleDirectory) -> None:
    await people.add_session(session("s1"))
    assert await people.end_session("s1", NOW + 1)
    assert not await people.end_session("s1", NOW + 2)
    assert not await people.end_session("unknown", NOW + 2)
    ended = await people.session("s1")
    assert ended is not None
    assert ended.ended == NOW + 1
    (logged,) = await people.revocations(0, 0, 10)
    assert (logged.kind, logged.id, logged.at) == (RevocationKind.SESSION, "s1", NOW + 1)


async def test_revocations_are_read_in_order_from_a_number_and_a_time_on(people: PeopleDirectory) -> None:
    for second in range(5):
        await people.revoke_user(f"id-{second}", NOW + second)
    everything = await people.revocations(0, 0, 10)
    assert [each.id for each in everything] == [f"id-{second}" for second in range(5)]
    assert [each.n for each in everything] == sorted({each.n for each in everything})
    assert await people.revocations(everything[2].n, 0, 2) == everything[2:4]
    assert await people.revocations(0, NOW + 4, 10) == everything[4:]


async def test_revocations_of_two_nodes_are_numbered_without_a_hole(pair: Directories) -> None:
    await asyncio.gather(*(pair[n % 2].revoke_user(f"id-{n}", NOW) for n in range(20)))
    found = await pair[0].revocations(0, 0, 100)
    assert [each.n for each in found] == list(range(found[0].n, found[0].n + 20))
    assert len({each.id for each in found}) == 20
    assert found == await pair[1].revocations(0, 0, 100)


async def test_whoever_reads_on_from_the_last_revocation_misses_none(pair: Directories) -> None:
    writing = asyncio.gather(*(pair[n % 2].revoke_user(f"id-{n}", NOW) for n in range(30)))
    seen: list[Revocation] = []
    more = True
    while more or not writing.done():
        page = await pair[1].revocations(seen[-1].n + 1 if seen else 0, 0, 4)
        more = bool(page)
        seen += page
    await writing
    assert len(seen) == 30
    assert seen == await pair[0].revocations(0, 0, 100)


# Invites


async def test_an_invite_is_found_by_its_token_and_listed_in_its_room_while_it_works(
    people: PeopleDirectory,
) -> None:
    await people.add_invite(invite("i1"))
    await people.add_invite(invite("i2", created=NOW + 1))
    await people.add_invite(invite("expired", expires=NOW))
    await people.add_invite(invite("used", uses=2))
    await people.add_invite(invite("registers", room="", registers=True))
    assert await people.invite(b"i1") == invite("i1")
    assert await people.invite(b"unknown") is None
    assert [each.id for each in await people.invites_of(ROOM, NOW, 10)] == ["i2", "i1"]
    assert [each.id for each in await people.invites_of(ROOM, NOW, 1)] == ["i2"]
    assert await people.invites_of("", NOW, 10) == [invite("registers", room="", registers=True)]


async def test_an_invite_lets_in_as_many_people_as_it_says_and_each_of_them_again(
    people: PeopleDirectory,
) -> None:
    await people.add_invite(invite("i1"))
    assert await people.take_invite(b"i1", "id-ada", NOW) == invite("i1", uses=1)
    assert await people.take_invite(b"i1", "id-ada", NOW) == invite("i1", uses=1)
    assert await people.take_invite(b"i1", "id-grace", NOW) == invite("i1", uses=2)
    assert await people.take_invite(b"i1", "id-zoe", NOW) is None
    assert await people.take_invite(b"i1", "id-ada", NOW) == invite("i1", uses=2)


async def test_many_at_once_take_no_more_uses_than_an_invite_has(
    pair: Directories,
) -> None:
    await pair[0].add_invite(invite("i1", max_uses=3))
    outcomes = await asyncio.gather(*(pair[n % 2].take_invite(b"i1", f"id-{n}", NOW) for n in range(10)))
    assert sum(outcome is not None for outcome in outcomes) == 3


async def test_somebody_who_redeems_many_times_at_once_takes_and_gives_back_one_use(pair: Directories) -> None:
    await pair[0].add_invite(invite("i1", max_uses=5))
    taken = await asyncio.gather(*(pair[n % 2].take_invite(b"i1", "id-ada", NOW) for n in range(8)))
    assert taken == [invite("i1", max_uses=5, uses=1)] * 8
    await asyncio.gather(*(pair[n % 2].give_back_invite("i1", "id-ada") for n in range(4)))
    assert await pair[1].invite(b"i1") == invite("i1", max_uses=5)


async def test_a_use_given_back_lets_somebody_else_in(people: PeopleDirectory) -> None:
    await people.add_invite(invite("i1", max_uses=1))
    await people.take_invite(b"i1", "id-ada", NOW)
    await people.give_back_invite("i1", "id-ada")
    await people.give_back_invite("i1", "id-ada")
    assert await people.take_invite(b"i1", "id-grace", NOW) == invite("i1", max_uses=1, uses=1)


async def test_an_expired_or_revoked_invite_lets_nobody_in(people: PeopleDirectory) -> None:
    await people.add_invite(invite("i1"))
    assert await people.take_invite(b"i1", "id-ada", NOW + 100) is None
    assert not await people.revoke_invite("another room", "i1")
    assert await people.revoke_invite(ROOM, "i1")
    assert await people.take_invite(b"i1", "id-ada", NOW) is None
    assert await people.take_invite(b"unknown", "id-ada", NOW) is None


# Attempts


async def test_attempts_are_counted_up_to_a_limit_in_each_window(people: PeopleDirectory) -> None:
    assert [await people.take_attempt("key", NOW, 2) for _ in range(4)] == [True, True, False, False]
    assert await people.take_attempt("other", NOW, 2)
    assert await people.take_attempt("key", NOW + 60, 2)


async def test_many_attempts_at_once_do_not_pass_the_limit(
    pair: Directories,
) -> None:
    outcomes = await asyncio.gather(*(pair[n % 2].take_attempt("key", NOW, 5) for n in range(20)))
    assert sum(outcomes) == 5


async def test_attempts_given_back_at_once_are_all_given_back(pair: Directories) -> None:
    for _ in range(6):
        await pair[0].take_attempt("key", NOW, 6)
    await asyncio.gather(*(pair[n % 2].give_back_attempt("key", NOW) for n in range(4)))
    assert [await pair[0].take_attempt("key", NOW, 6) for _ in range(5)] == [True] * 4 + [False]


async def test_an_attempt_given_back_can_be_taken_again_and_no_more(people: PeopleDirectory) -> None:
    await people.take_attempt("key", NOW, 1)
    await people.give_back_attempt("key", NOW)
    await people.give_back_attempt("key", NOW)
    assert [await people.take_attempt("key", NOW, 1) for _ in range(2)] == [True, False]


async def test_cleared_attempts_are_forgotten_in_every_window(people: PeopleDirectory) -> None:
    await people.take_attempt("key", NOW, 1)
    await people.take_attempt("key", NOW + 60, 1)
    await people.clear_attempts("key")
    assert await people.take_attempt("key", NOW, 1)
    assert await people.take_attempt("key", NOW + 60, 1)


# Housekeeping


async def test_a_sweep_drops_what_no_rule_looks_at_any_more(people: PeopleDirectory) -> None:
    await people.add_session(session("expired", expires=NOW))
    await people.add_session(session("ended"))
    await people.end_session("ended", NOW - 50)
    await people.revoke_user("id-ada", NOW - 20)
    await people.take_attempt("key", NOW, 1)
    await people.take_attempt("key", NOW + 1, 1)
    month = 30 * 86_400
    await people.add_invite(invite("old", expires=NOW - month - 1))
    await people.add_invite(invite("expired", expires=NOW - month))

    await people.sweep(NOW, NOW - 30)

    assert await people.session("expired") is None
    assert await people.session("ended") is not None
    assert [each.id for each in await people.revocations(0, 0, 10)] == ["id-ada"]
    assert await people.take_attempt("key", NOW, 1)
    assert not await people.take_attempt("key", NOW + 1, 1)
    assert await people.invite(b"old") is None
    assert await people.invite(b"expired") is not None


async def test_the_newest_revocation_outlives_every_sweep_and_its_number_is_never_given_again(
    people: PeopleDirectory,
) -> None:
    await people.revoke_user("id-ada", NOW)
    (newest,) = await people.revocations(0, 0, 10)
    await people.sweep(NOW + 1000, NOW + 1000)
    assert await people.revocations(0, 0, 10) == [newest]
    await people.revoke_user("id-grace", NOW + 1)
    assert await people.revocations(newest.n + 1, 0, 10) == [
        Revocation(newest.n + 1, RevocationKind.USER, "id-grace", NOW + 1)
    ]


async def test_a_store_that_cannot_be_reached_says_so(tmp_path: Path) -> None:
    for closed in (
        SqlitePeopleDirectory(SqliteStore(tmp_path / "chat.db")),
        MongoPeopleDirectory(MongoStore("mongodb://127.0.0.1:1/chat")),
    ):
        with pytest.raises(ChatError) as refusal:
            await closed.users(["id-ada"])
        assert refusal.value.code is Code.UNAVAILABLE


def test_no_row_shows_a_digest_when_it_is_printed() -> None:
    secret = b"\x01secret"
    shown = repr(
        [
            session("s1", family=secret, current=secret, previous=secret, sealed=secret),
            msgspec.structs.replace(ROTATION, current=secret, sealed=secret),
            invite("i1", token_digest=secret),
        ]
    )
    assert "secret" not in shown
