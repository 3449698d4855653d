"""Webhooks over REST: who may see to them, what is shown and what never is, and what a ping says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from rest_client import Client, a_channel, a_guest, an_admin, client_of, somebody
from rest_service import Service, running

from chat_service.directory.webhooks import Delivery, DeliveryState
from chat_service.jobs.managing import PINGS_MOST, WEBHOOKS_MOST
from servers.webhook_receiver import Behaviour, Receiver, receiver

URL = "https://example.org/hook"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A service whose webhooks may reach this machine; no job runs."""
    async with running(tmp_path, webhook_allowed_networks=(ip_network("127.0.0.0/8"),)) as started:
        yield started
        await started.heart.background.stop(0)


@pytest.fixture
async def at() -> AsyncIterator[Receiver]:
    async with receiver() as started:
        yield started
        started.check()


async def made(who: Client, room: str | None, url: str = URL, **more: Any) -> dict[str, Any]:
    asked = {"url": url, **({} if room is None else {"room": room}), **more}
    answer: dict[str, Any] = await who.expect(201, "POST", "/webhooks", asked)
    return answer


def dead(webhook: str, room: str, number: int) -> Delivery:
    return Delivery(
        id=f"v{'a' * 20}{'abcdefgh'[number]}",
        webhook=webhook,
        room=room,
        seq=number + 1,
        event="message",
        state=DeliveryState.DEAD,
        attempts=15,
        status=500,
        error="answered 500",
        first_ts=1,
        ts=1000 + number,
        next_ts=0,
    )


async def test_a_webhook_is_made_shown_changed_and_removed(ann: Client) -> None:
    room = await a_channel(ann)
    hook = await made(ann, room, events=["message", "edit"])
    secret = hook.pop("secret")
    assert secret.startswith("whsec_")
    assert hook == {
        "id": hook["id"],
        "room": room,
        "url": URL,
        "events": ["message", "edit"],
        "enabled": True,
        "reason": "",
        "created_by": ann.user["id"],
        "created_ts": hook["created_ts"],
    }
    path = f"/webhooks/{hook['id']}"
    shown = await ann.expect(200, "GET", path)
    assert shown == {**hook, "secret": None}
    assert (await ann.expect(200, "GET", f"/webhooks?room={room}"))["webhooks"] == [shown]
    changed = await ann.expect(200, "PATCH", path, {"url": URL + "2", "enabled": False, "events": []})
    assert changed == {**shown, "url": URL + "2", "enabled": False, "events": []}
    renewed = await ann.expect(200, "PATCH", path, {"new_secret": True})
    assert renewed["secret"] not in {None, secret}
    await ann.refused("invalid", "PATCH", path, {})
    await ann.expect(204, "DELETE", path)
    await ann.refused("not_found", "GET", path)
    await ann.refused("not_found", "DELETE", path)


async def test_a_secret_is_in_no_other_answer_and_no_log(ann: Client, capfd: pytest.CaptureFixture[str]) -> None:
    room = await a_channel(ann)
    hook = await made(ann, room)
    path = f"/webhooks/{hook['id']}"
    answers = [
        await ann.expect(200, "GET", path),
        await ann.expect(200, "GET", f"/webhooks?room={room}"),
        await ann.expect(200, "PATCH", path, {"enabled": True}),
        await ann.expect(200, "GET", f"{path}/deliveries"),
        await ann.expect(200, "POST", f"{path}/ping"),
    ]
    out, err = capfd.readouterr()
    assert hook["secret"] not in json.dumps(answers) + out + err


async def test_a_rooms_webhooks_are_its_owners_and_admins(
    service: Service, nobody: Client, ann: Client, bob: Client
) -> None:
    room = await a_channel(ann)
    hook = await made(ann, room)
    path = f"/webhooks/{hook['id']}"
    asks: list[tuple[str, str, Any]] = [
        ("POST", "/webhooks", {"room": room, "url": URL}),
        ("GET", f"/webhooks?room={room}", None),
        ("GET", path, None),
        ("PATCH", path, {"enabled": False}),
        ("POST", f"{path}/ping", None),
        ("GET", f"{path}/deliveries", None),
        ("POST", f"{path}/deliveries/v{'a' * 21}/replay", None),
        ("POST", f"{path}/replay-dead", None),
        ("POST", f"{path}/replay", {"seq": 1}),
        ("DELETE", path, None),
    ]
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    for ask in asks:
        await bob.refused("forbidden", *ask)
        await nobody.refused("unauthenticated", *ask)
    await ann.expect(200, "PATCH", f"/rooms/{room}", {"visibility": "private"})
    outsider, guest = await somebody(nobody), await a_guest(nobody)
    for ask in asks:
        await outsider.refused("not_found", *ask)
        await guest.refused("not_found", *ask)
    await ann.expect(200, "PATCH", f"/rooms/{room}/members/{bob.user['id']}", {"role": "admin"})
    for method, where, body in asks:
        assert (await bob.call(method, where, body)).status in {200, 201, 204, 404}
    root = await an_admin(service, nobody)
    other = await made(root, room)
    assert (await root.expect(200, "GET", f"/webhooks/{other['id']}"))["room"] == room
    await root.refused("not_found", "POST", "/webhooks", {"room": "c" + "a" * 21, "url": URL})


async def test_webhooks_of_all_rooms_are_for_administrators_of_the_service(
    service: Service, nobody: Client, ann: Client
) -> None:
    root = await an_admin(service, nobody)
    room = await a_channel(ann)
    hook = await made(root, None)
    assert hook["room"] is None
    assert [one["id"] for one in (await root.expect(200, "GET", "/webhooks"))["webhooks"]] == [hook["id"]]
    for ask in (("GET", "/webhooks"), ("GET", f"/webhooks/{hook['id']}"), ("DELETE", f"/webhooks/{hook['id']}")):
        await ann.refused("not_found", *ask)
    await ann.refused("not_found", "POST", "/webhooks", {"url": URL})
    path = f"/webhooks/{hook['id']}/replay"
    await root.refused("invalid", "POST", path, {"seq": 1})
    assert await root.expect(200, "POST", path, {"seq": 1, "room": room}) == {"room": room, "seq": 1}


async def test_a_direct_room_has_no_webhooks_of_its_own(ann: Client, bob: Client) -> None:
    room = (await ann.expect(200, "POST", "/rooms/direct", {"user": bob.user["id"]}))["room"]
    await ann.refused("forbidden", "POST", "/webhooks", {"room": room, "url": URL})


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "https:///path-only",
        "example.org/hook",
        "https://ann:secret@example.org/",
        "http://10.1.2.3/",
        "http://[fe80::1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://0x7f.1.2.3:99999/",
        "javascript:alert(1)",
        "http://167772161/",
        "https://example.org/" + "x" * 2000,
    ],
)
async def test_a_url_must_be_one_that_may_be_reached(ann: Client, url: str) -> None:
    room = await a_channel(ann)
    error = await ann.refused("invalid", "POST", "/webhooks", {"room": room, "url": url})
    assert error["message"].startswith("url: ")
    hook = await made(ann, room)
    await ann.refused("invalid", "PATCH", f"/webhooks/{hook['id']}", {"url": url})


async def test_a_room_has_a_bounded_number(ann: Client) -> None:
    room = await a_channel(ann)
    for _ in range(WEBHOOKS_MOST):
        await made(ann, room)
    await ann.refused("conflict", "POST", "/webhooks", {"room": room, "url": URL})


async def test_what_is_malformed_is_refused(ann: Client) -> None:
    room = await a_channel(ann)
    await ann.refused("invalid", "POST", "/webhooks", {"room": room, "url": URL, "events": ["nothing"]})
    await ann.refused("invalid", "POST", "/webhooks", {"room": room, "url": URL, "secret": "mine"})
    await ann.refused("invalid", "GET", "/webhooks/c" + "a" * 21)
    hook = await made(ann, room)
    await ann.refused("invalid", "GET", f"/webhooks/{hook['id']}/deliveries?before=1")
    await ann.refused("invalid", "GET", f"/webhooks/{hook['id']}/deliveries?state=lost")
    await ann.refused("invalid", "POST", f"/webhooks/{hook['id']}/replay", {"seq": 1, "room": "c" + "a" * 21})


async def test_a_ping_says_what_came_of_it(ann: Client, at: Receiver) -> None:
    room = await a_channel(ann)
    hook = at.knows(await made(ann, room, at.url + "/hook"))
    path = f"/webhooks/{hook['id']}/ping"
    pinged = await ann.expect(200, "POST", path)
    assert (pinged["arrived"], pinged["status"], pinged["error"]) == (True, 200, "")
    (arrival,) = at.arrived
    assert (arrival.event, arrival.entry, arrival.attempt) == ("ping", None, 1)
    at.behave = lambda _: Behaviour(301, {"Location": "/elsewhere"})
    pinged = await ann.expect(200, "POST", path)
    assert (pinged["arrived"], pinged["status"]) == (False, 301)
    assert "redirects are not followed" in pinged["error"]
    at.behave = lambda _: Behaviour(reset=True)
    pinged = await ann.expect(200, "POST", path)
    assert (pinged["arrived"], pinged["status"]) == (False, None)
    assert "connection failed" in pinged["error"]
    assert {one.path for one in at.arrived} == {"/hook"}


async def test_only_so_many_pings_are_on_their_way_at_once(ann: Client, at: Receiver) -> None:
    room = await a_channel(ann)
    hook = at.knows(await made(ann, room, at.url + "/hook"))
    at.behave = lambda _: Behaviour(delay_s=0.5)
    path = f"/webhooks/{hook['id']}/ping"
    replies = await asyncio.gather(*(ann.call("POST", path) for _ in range(3 * PINGS_MOST)))
    assert {reply.status for reply in replies} == {200, 503}
    assert at.most_at_once <= PINGS_MOST


async def test_deliveries_are_listed_and_dead_ones_replayed(service: Service, ann: Client) -> None:
    room = await a_channel(ann)
    hook = await made(ann, room)
    other = await made(ann, room)
    letters = [dead(hook["id"], room, number) for number in range(3)]
    stored = replace(letters[2], state=DeliveryState.DELIVERED, status=200, error="")
    await service.heart.stores.webhooks.put([*letters[:2], stored])
    path = f"/webhooks/{hook['id']}"
    page = await ann.expect(200, "GET", f"{path}/deliveries?limit=2")
    assert [one["id"] for one in page["deliveries"]] == [letters[2].id, letters[1].id]
    page = await ann.expect(200, "GET", f"{path}/deliveries?limit=2&before={page['next']}")
    assert [one["id"] for one in page["deliveries"]] == [letters[0].id]
    assert page["next"] is None
    page = await ann.expect(200, "GET", f"{path}/deliveries?state=dead")
    assert [one["status"] for one in page["deliveries"]] == [500, 500]
    again = await ann.expect(200, "POST", f"{path}/deliveries/{letters[0].id}/replay")
    assert (again["state"], again["attempts"]) == ("replaying", 0)
    await ann.refused("conflict", "POST", f"{path}/deliveries/{letters[0].id}/replay")
    await ann.refused("not_found", "POST", f"/webhooks/{other['id']}/deliveries/{letters[1].id}/replay")
    assert await ann.expect(200, "POST", f"{path}/replay-dead") == {"deliveries": 1}


async def test_nobody_replays_what_they_may_not_read(ann: Client, bob: Client) -> None:
    room = await a_channel(ann, history="joined")
    await ann.expect(201, "POST", f"/rooms/{room}/messages", {"body": {"text": "before bob"}})
    await ann.expect(201, "POST", f"/rooms/{room}/members", {"user": bob.user["id"], "role": "admin"})
    hook = await made(bob, room)
    await bob.refused("not_found", "POST", f"/webhooks/{hook['id']}/replay", {"seq": 2})
    assert await bob.expect(200, "POST", f"/webhooks/{hook['id']}/replay", {"seq": 3}) == {"room": room, "seq": 3}
    assert await ann.expect(200, "POST", f"/webhooks/{hook['id']}/replay", {"seq": 1}) == {"room": room, "seq": 1}


async def test_only_owners_say_how_long_messages_are_kept(ann: Client, bob: Client) -> None:
    room = await a_channel(ann)
    assert (await ann.expect(200, "GET", f"/rooms/{room}"))["retention_days"] == 0
    await ann.expect(201, "POST", f"/rooms/{room}/members", {"user": bob.user["id"], "role": "admin"})
    await bob.refused("forbidden", "PATCH", f"/rooms/{room}", {"retention_days": 30})
    await bob.refused("forbidden", "PATCH", f"/rooms/{room}", {"retention_days": 30, "visibility": "private"})
    changed = await ann.expect(200, "PATCH", f"/rooms/{room}", {"retention_days": 30, "visibility": "private"})
    assert (changed["retention_days"], changed["visibility"]) == (30, "private")
    for wrong in (-1, 36_501, 1.5, "30", None):
        await ann.refused("invalid", "PATCH", f"/rooms/{room}", {"retention_days": wrong})


async def test_a_room_keeps_its_retention_over_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as first, client_of(first) as nobody:
        ann = await somebody(nobody, "ann")
        room = await a_channel(ann)
        await ann.expect(200, "PATCH", f"/rooms/{room}", {"retention_days": 7})
    async with running(tmp_path) as second, client_of(second) as nobody:
        again = nobody.as_(ann.signed_in)
        assert (await again.expect(200, "GET", f"/rooms/{room}"))["retention_days"] == 7
