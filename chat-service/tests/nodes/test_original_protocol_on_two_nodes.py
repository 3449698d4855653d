"""The original protocol over two nodes: counts, lists and messages cover both."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
from chat_world import World
from wire_client import Wire, wired


async def _enter(stack: AsyncExitStack, world: World, node: int, room: str, name: str) -> tuple[Wire, Any]:
    http = await stack.enter_async_context(aiohttp.ClientSession())
    client = await stack.enter_async_context(wired(http, world.places[node].url))
    await client.connect("/")
    await client.tell("join-room", {"roomId": room, "username": name})
    return client, await client.next("room-joined")


async def test_who_joins_at_one_node_is_counted_at_the_other(world: World, stack: AsyncExitStack) -> None:
    ann, joined = await _enter(stack, world, 0, "tea", "Ann")
    assert joined == {"roomId": "tea", "userCount": 1, "userList": ["Ann"]}
    async with AsyncExitStack() as bobs:
        bob, joined = await _enter(bobs, world, 1, "tea", "Bob")
        assert joined == {"roomId": "tea", "userCount": 2, "userList": ["Ann", "Bob"]}
        both = {"userCount": 2, "userList": ["Ann", "Bob"]}
        assert await ann.next("user-joined") == {"username": "Bob", **both}
        await ann.tell("event:message", {"roomId": "tea", "username": "Ann", "message": "hello"})
        for client in (ann, bob):
            said = json.loads(await client.next("message"))
            assert (said["name"], said["message"], said["roomId"]) == ("Ann", "hello", "tea")
        _, joined = await _enter(bobs, world, 1, "tea", "Bob")
        assert (joined["userCount"], sorted(joined["userList"])) == (3, ["Ann", "Bob", "Bob"])
        assert (await ann.next("user-joined"))["userCount"] == 3
        assert (await bob.next("user-joined"))["userCount"] == 3
    left = [await ann.next("user-left") for _ in range(2)]
    assert [event["username"] for event in left] == ["Bob", "Bob"]
    assert left[-1] == {"username": "Bob", "userCount": 1, "userList": ["Ann"]}


async def test_the_people_of_a_node_that_leaves_are_gone_for_the_others(
    world: World, stack: AsyncExitStack
) -> None:
    ann, _ = await _enter(stack, world, 0, "tea", "Ann")
    await _enter(stack, world, 1, "tea", "Bob")
    assert (await ann.next("user-joined"))["userCount"] == 2
    world.nodes[1].terminate()
    assert await ann.next("user-left") == {"username": "Bob", "userCount": 1, "userList": ["Ann"]}
    assert await world.nodes[1].ended(30) == 0
