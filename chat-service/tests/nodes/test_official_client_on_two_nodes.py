"""The official JavaScript client behind a balancer: when its node is killed it goes on at the other by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from chat_world import World
from js_client import JavaScript, javascript
from rest_people import Person
from severable_line import line_to

TRANSPORTS = {"websocket": ["websocket"], "upgrade": ["polling", "websocket"]}


@pytest.fixture
async def js(js_clients: Path) -> AsyncIterator[JavaScript]:
    """The official client."""
    async with javascript(js_clients) as driver:
        yield driver


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_a_client_whose_node_is_killed_misses_nothing(
    world: World, stack: AsyncExitStack, js: JavaScript, transports: list[str]
) -> None:
    ann = await stack.enter_async_context(Person(world.places[0].url))
    bob = await stack.enter_async_context(Person(world.places[1].url))
    await ann.register()
    await bob.register()
    room = await ann.make_room(bob)
    line = await stack.enter_async_context(line_to(world.places[0].port))
    socket = js.socket(
        "ann", f"{line.url}/chat", transports=transports, auth={"token": ann.access_token}, reconnectionDelay=50
    )
    await socket.connected()
    opening = await socket.ask("room:open", {"room": room})
    assert opening["more"] is False
    await bob.say(room, "live, from the other node")
    first = await socket.event("entry")
    assert first["body"]["text"] == "live, from the other node"

    line.to = world.places[1].port
    await world.nodes[0].kill()
    await socket.disconnected()
    for number in range(5):
        await bob.say(room, f"missed {number}")
    await socket.connected()
    held = {"after": first["seq"], "after_id": first["id"], "epoch": opening["epoch"]}
    resumed = await socket.ask("room:open", {"room": room, **held})
    early = [entry["body"]["text"] for entry in resumed["entries"]]
    assert (resumed["reset"], early) == (None, [f"missed {number}" for number in range(5)])
    message = {"room": room, "key": "once", "body": {"text": "still here"}}
    ack = await socket.ask("message:send", message)
    assert (ack["ok"], ack["seq"]) == (True, resumed["last_seq"] + 1)
    assert (await socket.ask("message:send", message))["duplicate"] is True
