"""What another process writes to the store reaches the clients of the one that serves it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
import second_writer
from checked_client import CheckedClient
from crowd import gathered
from eventually import eventually
from rest_people import Person, RestRefusedError
from service_process import MakePlace, Place, StartService, run_command, run_python

SEEN_S = 3.0
REVOKED_S = 5.0


async def _write(place: Place, *arguments: str) -> float:
    """Have another process write; return when it had."""
    await run_python(place, str(Path(second_writer.__file__)), *arguments)
    return time.monotonic()


async def test_its_messages_are_delivered(make_place: MakePlace, start_service: StartService, seed: int) -> None:
    place = make_place()
    process = start_service(place)
    await process.ready()
    async with gathered(place.url, people=2, rooms=2) as crowd:
        await crowd.connect(2, polling=1)
        busy, idle = crowd.rooms
        await crowd.clients[0].say(busy, "first")
        await crowd.clients[0].say(idle, "first")
        crowd.rooms = [busy]
        crowd.talk(seed, pause_s=0.01)
        crowd.rooms = [busy, idle]
        await _write(place, "send", busy, crowd.people[1].user, "from beside", "50")
        written = await _write(place, "send", idle, crowd.people[1].user, "from beside", "5")
        length = len(await crowd.people[0].read_log(idle))
        for client in crowd.clients:
            await client.reaches(idle, length, within_s=SEEN_S)
        assert time.monotonic() - written < SEEN_S
        logs = await crowd.settled()
        beside = [entry for entry in logs[busy] if str(entry.body.get("text")).startswith("from beside")]
        assert len(beside) == 50
        await crowd.assert_sound()


async def test_whom_it_removes_hears_no_more(make_place: MakePlace, start_service: StartService) -> None:
    place = make_place()
    process = start_service(place)
    await process.ready()
    async with gathered(place.url, people=2, rooms=1) as crowd:
        await crowd.connect(2)
        (room,) = crowd.rooms
        owner, member = crowd.people
        stays, leaves = crowd.clients
        await stays.say(room, "before")
        written = await _write(place, "remove", room, owner.user, member.user)
        await eventually(lambda: crowd.history.notices_of(leaves.name, "removed"), SEEN_S)
        assert time.monotonic() - written < SEEN_S
        lists = [one.payload for one in crowd.history.notices if (one.client, one.name) == (leaves.name, "rooms")]
        shown = leaves.room(room).seq
        secret = await stays.say(room, "among ourselves")
        await stays.reaches(room, secret.seq)
        await asyncio.sleep(0.3)
        assert leaves.room(room).seq == shown
        assert lists
        assert lists[-1]["member"] is False
        answer = await leaves.ask("message:send", {"room": room, "key": "k", "body": {"text": "me too"}})
        assert answer["error"]["code"] == "not_found"
        crowd.clients.remove(leaves)
        await crowd.assert_sound()
        await _write(place, "add", room, owner.user, member.user)
        await leaves.stop()
        back = CheckedClient(member, crowd.history, "back")
        crowd.clients.append(back)
        await back.start()

        async def let_in() -> bool:
            return (await back.open(room)).refused is None

        await eventually(let_in, SEEN_S)
        await crowd.assert_sound()


@pytest.mark.parametrize("by", ["a second writer", "an operator", "themselves"])
async def test_whoever_is_signed_out_is_disconnected(
    make_place: MakePlace, start_service: StartService, by: str
) -> None:
    place = make_place()
    process = start_service(place)
    await process.ready()
    async with gathered(place.url, people=2, rooms=1) as crowd:
        await crowd.connect(2)
        person, client = crowd.people[1], crowd.clients[1]
        if by == "a second writer":
            signed_out = await _write(place, "sign-out", person.user)
        elif by == "an operator":
            await run_command(place, "admin", "deactivate", person.username)
            signed_out = time.monotonic()
        else:
            await person.sign_out()
            signed_out = time.monotonic()
        await client.gone(REVOKED_S)
        assert time.monotonic() - signed_out < REVOKED_S
        assert client.refusal == {"code": "disconnected"}
        assert crowd.history.notices_of(client.name, "revoked")
        with pytest.raises(RestRefusedError) as refused:
            await person.ask("GET", "/rooms")
        assert refused.value.status == 401
        again = CheckedClient(person, crowd.history, "again")
        with pytest.raises(TimeoutError):
            await again.start(within_s=0.5)
        assert again.refusal is not None
        assert again.refusal["code"] == "unauthenticated"
        crowd.clients.remove(client)
        await crowd.clients[0].say(crowd.rooms[0], "nobody else is touched")
        await crowd.assert_sound()


async def test_what_an_operator_erases_is_gone_for_everybody(
    make_place: MakePlace, start_service: StartService
) -> None:
    place = make_place()
    process = start_service(place)
    await process.ready()
    async with gathered(place.url, people=2, rooms=1) as crowd:
        await crowd.connect(1)
        (room,) = crowd.rooms
        reader: Person = crowd.people[0]
        await crowd.people[1].say(room, "forget me")
        before = len(await reader.read_log(room))
        await run_command(place, "admin", "erase", crowd.people[1].username)
        await crowd.clients[0].reaches(room, before + 1, within_s=SEEN_S)
        page = await crowd.clients[0].ask("room:history", {"room": room, "before": before + 1})
        assert [message.get("body", {}) for message in page["messages"]] == [{}]
        assert page["messages"][0]["redacted"]
        assert not any("text" in entry.body for entry in await reader.read_log(room))
