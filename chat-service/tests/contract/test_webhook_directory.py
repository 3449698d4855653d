"""What every adapter of WebhookDirectory must do. A new adapter joins by its name in `ADAPTERS`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict, replace

from chat_service.directory import mongo_webhooks, sqlite_webhooks, webhooks
from chat_service.directory.mongo_webhooks import MIGRATIONS as MONGO_MIGRATIONS
from chat_service.directory.mongo_webhooks import MongoWebhookDirectory
from chat_service.directory.sqlite_webhooks import MIGRATIONS, SqliteWebhookDirectory
from chat_service.directory.webhooks import (
    DELIVERED_KEPT,
    EVERY_ROOM,
    Delivery,
    DeliveryState,
    Webhook,
    WebhookDirectory,
)
from chat_service.model.entries import Kind
from chat_service.secret import Secret
from chat_service.storage.migrations import migrate
from chat_service.storage.sqlite import SqliteStore
from rooms.entries import ALICE, OTHER_ROOM, ROOM
from servers.mongo_stores import mongo_stores

Pair = tuple[WebhookDirectory, WebhookDirectory]
DEAD, DELIVERED, RETRYING, REPLAYING = (
    DeliveryState.DEAD,
    DeliveryState.DELIVERED,
    DeliveryState.RETRYING,
    DeliveryState.REPLAYING,
)


@asynccontextmanager
async def sqlite(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    folder: Path = request.getfixturevalue("tmp_path")
    stores = [SqliteStore(folder / "chat.db") for _ in range(2)]
    for store in stores:
        await store.open(exclusive=False)
    await migrate(stores[0], MIGRATIONS)
    yield SqliteWebhookDirectory(stores[0]), SqliteWebhookDirectory(stores[1])
    for store in stores:
        await store.close()


@asynccontextmanager
async def mongo(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    async with mongo_stores(request.getfixturevalue("mongodb_uri"), MONGO_MIGRATIONS) as (one, other):
        yield MongoWebhookDirectory(one), MongoWebhookDirectory(other)


ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Pair]]] = {
    "sqlite": sqlite,
    "mongo": mongo,
}


@pytest.fixture(params=ADAPTERS)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """The directory as two processes hold it."""
    async with ADAPTERS[request.param](request) as directories:
        yield directories


@pytest.fixture
def hooks(pair: Pair) -> WebhookDirectory:
    return pair[0]


def hook(letter: str, **changes: Any) -> Webhook:
    known: dict[str, Any] = {
        "id": "w" + letter * 21,
        "room": ROOM,
        "url": f"https://example.org/{letter}?q=ü",
        "secret": Secret(f"whsec_{letter}"),
        "events": (Kind.MESSAGE, Kind.EDIT),
        "enabled": True,
        "reason": "",
        "created_by": ALICE,
        "created_ts": ord(letter),
    }
    return Webhook(**(known | changes))


def delivery(number: int, **changes: Any) -> Delivery:
    known: dict[str, Any] = {
        "id": f"v{number:021d}",
        "webhook": A.id,
        "room": ROOM,
        "seq": number,
        "event": "message",
        "state": DELIVERED,
        "attempts": 1,
        "status": 200,
        "error": "",
        "first_ts": 1000 + number,
        "ts": 2000 + number,
        "next_ts": 0,
    }
    return Delivery(**(known | changes))


def shown(one: Webhook | None) -> dict[str, Any] | None:
    """All of a webhook, its secret too, to be compared."""
    return None if one is None else {**asdict(one), "secret": one.secret.current()}


A, B, C = hook("a"), hook("b", events=()), hook("c", room=EVERY_ROOM)


async def filled(hooks: WebhookDirectory, *many: Webhook) -> None:
    for one in many:
        assert await hooks.add(one, 100)


async def test_a_webhook_is_found_as_it_was_added(pair: Pair) -> None:
    one, other = pair
    await filled(one, B, A, C)
    for made in (A, B, C):
        assert shown(await other.get(made.id)) == shown(made)
    assert await other.get("w" + "z" * 21) is None
    assert [found.id for found in await other.of_room(ROOM)] == [A.id, B.id]
    assert [found.id for found in await other.of_room(EVERY_ROOM)] == [C.id]
    assert await other.of_room(OTHER_ROOM) == []


async def test_a_secret_is_not_shown_by_accident(hooks: WebhookDirectory) -> None:
    await filled(hooks, A)
    found = await hooks.get(A.id)
    assert found is not None
    assert A.secret.current() not in f"{found} {found!r}"


async def test_a_room_has_only_so_many(pair: Pair) -> None:
    many = [hook(letter) for letter in "defghijk"]
    added = await asyncio.gather(*(pair[at % 2].add(one, 3) for at, one in enumerate(many)))
    assert added.count(True) == 3
    assert await pair[0].add(hook("z", room=OTHER_ROOM), 3)


async def test_those_that_are_enabled_are_listed_by_id(pair: Pair) -> None:
    one, other = pair
    await filled(one, A, B, C, hook("d", enabled=False, reason="because"))
    assert [found.id for found in await other.enabled("", 10)] == [A.id, B.id, C.id]
    assert [found.id for found in await other.enabled(A.id, 1)] == [B.id]
    assert await other.change(replace(B, enabled=False))
    assert [found.id for found in await one.enabled("", 10)] == [A.id, C.id]


async def test_a_webhook_is_changed_whole_and_never_made_by_it(pair: Pair) -> None:
    one, other = pair
    await filled(one, A)
    changed = hook("a", url="http://other", secret=Secret("new"), events=(), enabled=False, reason="so")
    assert await other.change(changed)
    assert shown(await one.get(A.id)) == shown(changed)
    assert not await other.change(B)
    assert await one.get(B.id) is None


async def test_with_a_webhook_its_deliveries_go(pair: Pair) -> None:
    one, other = pair
    await filled(one, A, B)
    await one.put([delivery(1, state=DEAD), delivery(2, webhook=B.id, state=DEAD)])
    await other.remove(A.id)
    await other.remove(A.id)
    assert await one.get(A.id) is None
    assert await one.delivery(delivery(1).id) is None
    assert await one.delivery(delivery(2).id) is not None
    assert await one.dead_letters() == 1


async def test_a_delivery_is_what_was_put_last(pair: Pair) -> None:
    one, other = pair
    first = delivery(1, state=RETRYING, status=None, error="no answer", next_ts=5)
    await one.put([first])
    assert await other.delivery(first.id) == first
    last = replace(first, state=DEAD, status=500, attempts=2, ts=9)
    await other.put([last, delivery(2)])
    assert await one.delivery(first.id) == last
    assert await one.delivery("v" + "z" * 21) is None


async def test_deliveries_are_listed_from_the_newest(hooks: WebhookDirectory) -> None:
    many = [delivery(1), delivery(2, state=DEAD), delivery(3, ts=2002), delivery(4, webhook=B.id)]
    await hooks.put(many)
    assert await hooks.deliveries(A.id, None, None, 10) == [many[2], many[1], many[0]]
    assert await hooks.deliveries(A.id, None, None, 2) == [many[2], many[1]]
    assert await hooks.deliveries(A.id, None, (2002, many[2].id), 10) == [many[1], many[0]]
    assert await hooks.deliveries(A.id, DEAD, None, 10) == [many[1]]
    assert await hooks.deliveries(A.id, DELIVERED, (2002, many[2].id), 10) == [many[0]]


async def test_of_what_arrived_the_newest_are_kept(hooks: WebhookDirectory) -> None:
    await hooks.put([delivery(number) for number in range(1, DELIVERED_KEPT + 1)])
    await hooks.put([delivery(0, state=RETRYING), delivery(DELIVERED_KEPT + 1), delivery(1, webhook=B.id)])
    listed = await hooks.deliveries(A.id, DELIVERED, None, 2 * DELIVERED_KEPT)
    assert [one.seq for one in listed] == list(range(DELIVERED_KEPT + 1, 1, -1))
    assert len(await hooks.deliveries(B.id, None, None, 10)) == 1
    assert len(await hooks.deliveries(A.id, RETRYING, None, 10)) == 1


async def test_dead_letters_are_made_again_in_the_order_of_their_rooms(pair: Pair) -> None:
    one, other = pair
    dead = [
        delivery(1, seq=9, state=DEAD, attempts=7),
        delivery(2, seq=3, state=DEAD),
        delivery(3, room=OTHER_ROOM, seq=1, state=DEAD),
        delivery(4, state=RETRYING),
        delivery(5, webhook=B.id, state=DEAD),
    ]
    await one.put(dead)
    assert await one.dead_letters() == 4
    assert await one.replaying(None, 10) == []
    assert await other.replay_dead(A.id, 77) == 3
    assert await other.replay_dead(A.id, 78) == 0
    expected = sorted(dead[:3], key=lambda letter: (letter.room, letter.seq))
    again = [replace(letter, state=REPLAYING, attempts=0, first_ts=77, next_ts=77) for letter in expected]
    assert await one.replaying(A.id, 10) == again
    assert await one.replaying(None, 2) == again[:2]
    assert await one.replaying(B.id, 10) == []
    assert await one.dead_letters() == 1


async def test_what_is_to_be_made_anew_is_forgotten(hooks: WebhookDirectory) -> None:
    await hooks.put(
        [
            delivery(1),
            delivery(2, state=DEAD),
            delivery(3, state=RETRYING),
            delivery(4, room=OTHER_ROOM, state=RETRYING),
            delivery(5, webhook=B.id, state=RETRYING),
        ]
    )
    await hooks.forget_from(A.id, ROOM, 2)
    assert [one.seq for one in await hooks.deliveries(A.id, None, None, 10)] == [4, 1]
    await hooks.forget_retries(A.id)
    assert [one.seq for one in await hooks.deliveries(A.id, None, None, 10)] == [1]
    assert len(await hooks.deliveries(B.id, None, None, 10)) == 1


async def test_the_oldest_dead_letters_make_room(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    assert webhooks.DEAD_KEPT == 10_000  # more than a test has time for
    for adapter in (sqlite_webhooks, mongo_webhooks):
        monkeypatch.setitem(adapter._KEPT, DEAD, 150)
    one, other = pair
    await one.put([delivery(number, state=DEAD) for number in range(150)])
    await other.put([delivery(number, state=DEAD) for number in range(150, 400)])
    assert await one.dead_letters() == 150
    assert await one.delivery(delivery(249).id) is None
    assert await one.delivery(delivery(250).id) is not None
