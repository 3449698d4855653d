"""Two nodes are one chat world: whatever is done at one of them is seen at the other."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from chat_world import World, crowd_over
from checked_client import CheckedClient
from eventually import eventually
from history import History, Notice
from rest_people import Person, RestRefusedError

from servers.mongodb import MongoServer

PATIENCE_S = 30


async def _readiness(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/readyz") as answer:
        return answer.status, (await answer.json())["status"]


def _heard(history: History, client: str, event: str) -> list[dict[str, Any]]:
    return [notice.payload for notice in history.notices if (notice.client, notice.name) == (client, event)]


async def test_everybody_sees_everything_in_one_order(world: World, stack: AsyncExitStack) -> None:
    crowd = await crowd_over(stack, world, people=6, rooms=3)
    crowd.talk(1, most_waiting=4, pause_s=0.05)
    await asyncio.sleep(4)
    await crowd.assert_sound()
    assert len(crowd.history.sends) > 50


async def test_a_client_goes_on_at_the_other_node_when_its_own_is_killed(
    world: World, stack: AsyncExitStack
) -> None:
    crowd = await crowd_over(stack, world)
    crowd.talk(2, most_waiting=3, pause_s=0.05)
    await asyncio.sleep(1.5)
    await world.nodes[0].kill()
    for person in crowd.people:
        person.url = world.places[1].url
    await asyncio.sleep(2)
    await crowd.assert_sound()
    await world.start(0)


async def test_a_rolling_restart_loses_and_repeats_nothing(world: World, stack: AsyncExitStack) -> None:
    crowd = await crowd_over(stack, world)
    crowd.talk(3, most_waiting=3, pause_s=0.05)
    for number in (0, 1):
        for person in crowd.people:
            person.url = world.places[1 - number].url
        world.nodes[number].terminate()
        assert await world.nodes[number].ended(PATIENCE_S) == 0
        await world.start(number)
    await crowd.assert_sound()


async def test_who_is_removed_at_one_node_hears_nothing_more_at_the_other(
    world: World, stack: AsyncExitStack
) -> None:
    crowd = await crowd_over(stack, world, people=2, rooms=1)
    (room,) = crowd.rooms
    owner, removed = crowd.people
    there = crowd.clients[1]
    await owner.ask("DELETE", f"/rooms/{room}/members/{removed.user}")
    await eventually(
        lambda: any(notice["kind"] == "removed" for notice in _heard(crowd.history, there.name, "notice")),
        PATIENCE_S,
    )
    held = there.room(room).seq
    await owner.say(room, "now that we are alone")
    other = await stack.enter_async_context(Person(world.places[1].url))
    await other.register()
    await owner.ask("POST", f"/rooms/{room}/members", {"user": other.user})
    assert [entry.body.get("text") for entry in await other.read_log(room)][-2] == "now that we are alone"
    assert there.room(room).seq == held
    with pytest.raises(RestRefusedError, match="404"):
        await removed.read_log(room)


async def test_presence_is_that_of_both_nodes(world: World, stack: AsyncExitStack) -> None:
    crowd = await crowd_over(stack, world, people=2, rooms=1)
    ann, bob = crowd.people
    (room,) = crowd.rooms

    async def online() -> set[str]:
        visitor = CheckedClient(ann, History(), "visitor")
        await visitor.start()
        try:
            return set((await visitor.ask("room:open", {"room": room}))["online"])
        finally:
            await visitor.stop()

    async def both() -> bool:
        return await online() == {ann.user, bob.user}

    async def one() -> bool:
        return await online() == {ann.user}

    await eventually(both, PATIENCE_S, every_s=0.2)
    await crowd.clients[1].vanish()
    await eventually(one, PATIENCE_S, every_s=0.2)
    presence = _heard(crowd.history, crowd.clients[0].name, "presence")
    assert (presence[-1]["user"], presence[-1]["online"]) == (bob.user, False)


async def test_a_session_that_is_ended_at_one_node_is_closed_at_the_other(
    world: World, stack: AsyncExitStack
) -> None:
    here = await stack.enter_async_context(Person(world.places[0].url))
    await here.register()
    there = CheckedClient(here, History(), "there")
    here.url = world.places[1].url
    await there.start()
    here.url = world.places[0].url
    await here.sign_out()
    here.url = world.places[1].url
    await there.gone(PATIENCE_S)


async def test_unread_messages_and_new_rooms_are_told_at_the_other_node(
    world: World, stack: AsyncExitStack
) -> None:
    crowd = await crowd_over(stack, world, people=2, rooms=0)
    ann, bob = crowd.people
    room = await ann.make_room(bob)
    bobs = crowd.clients[1].name

    def told_of_it() -> list[Notice]:
        return [
            notice
            for notice in crowd.history.notices
            if (notice.client, notice.name) == (bobs, "rooms") and notice.payload["room"] == room
        ]

    await eventually(told_of_it, PATIENCE_S)
    await ann.say(room, "are you there?")
    await eventually(lambda: _heard(crowd.history, bobs, "unread"), PATIENCE_S)
    assert _heard(crowd.history, bobs, "unread")[0]["room"] == room


async def test_without_redis_sends_succeed_and_the_other_node_catches_up(
    world: World, stack: AsyncExitStack
) -> None:
    crowd = await crowd_over(stack, world)
    crowd.talk(4, most_waiting=3, pause_s=0.1)
    await asyncio.sleep(1)
    world.redis.kill()

    async def degraded() -> bool:
        return await _readiness(world.places[0].url) == (200, "degraded")

    await eventually(degraded, PATIENCE_S)
    acked = sum(1 for sent in crowd.history.sends if sent.acks)
    await asyncio.sleep(2)
    assert sum(1 for sent in crowd.history.sends if sent.acks) > acked, "sends wait for Redis"
    # Everybody is shown everything while Redis is still away.
    await crowd.assert_sound()
    world.redis.start()

    async def well() -> bool:
        return await _readiness(world.places[0].url) == (200, "ok")

    await eventually(well, PATIENCE_S)
    crowd.talk(5, most_waiting=3, pause_s=0.1)
    await asyncio.sleep(1)
    await crowd.assert_sound()


async def test_without_the_database_sends_are_refused_for_now_and_rooms_in_memory_are_read(
    frail_world: World, own_mongodb: MongoServer, stack: AsyncExitStack
) -> None:
    crowd = await crowd_over(stack, frail_world, people=2, rooms=1)
    (room,) = crowd.rooms
    for text in ("held", "missed"):
        await crowd.clients[0].say(room, text)
    for client in crowd.clients:
        await client.reaches(room, 4)
    own_mongodb.freeze()
    message = {"room": room, "key": "while-away", "body": {"text": "while it is away"}}
    refused = await crowd.clients[0].ask("message:send", message, within_s=PATIENCE_S)
    assert (refused["ok"], refused["error"]["code"], refused["error"]["retryable"]) == (False, "unavailable", True)

    async def degraded() -> bool:
        return await _readiness(frail_world.places[0].url) == (200, "degraded")

    await eventually(degraded, PATIENCE_S)
    # Who comes back with what they hold is answered from memory.
    held = crowd.clients[1].room(room)
    resumed = await crowd.clients[1].ask(
        "room:open", {"room": room, "after": 3, "epoch": held.epoch}, within_s=PATIENCE_S
    )
    assert resumed["ok"] is True, resumed
    assert resumed["reset"] is None
    assert [entry["body"]["text"] for entry in resumed["entries"]] == ["missed"]
    own_mongodb.thaw()

    async def stored() -> bool:
        answer = await crowd.clients[0].ask("message:send", message, within_s=PATIENCE_S)
        return bool(answer["ok"])

    await eventually(stored, PATIENCE_S, every_s=0.2)
    assert [entry.body.get("text") for entry in await crowd.people[0].read_log(room)][2:] == [
        "held",
        "missed",
        "while it is away",
    ]
