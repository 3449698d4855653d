"""Faults of links: cut, slow, deaf in one direction, flapping; between nodes, their backends and clients."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Literal

from chaos.history import Away
from chaos.servers.link import State, flap

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from chaos.scene import Scene
    from chaos.servers.link import Link

Side = Literal["redis", "mongodb", "clients"]


def cut(side: Side) -> Callable[[Scene], Awaitable[None]]:
    """Cut the link of one node for seconds, then those of all nodes at once."""
    return partial(_cut, side)


def slow(side: Side) -> Callable[[Scene], Awaitable[None]]:
    """Have everything take much longer on the links of all nodes."""
    return partial(_slow, side)


def one_way(side: Side) -> Callable[[Scene], Awaitable[None]]:
    """Have one node's link carry in one direction only, then in the other one only."""
    return partial(_one_way, side)


def flapping(side: Side) -> Callable[[Scene], Awaitable[None]]:
    """Have the links of all nodes break and come back again and again."""
    return partial(_flapping, side)


async def cut_clients(scene: Scene) -> None:
    """Cut the TCP connections of clients, a third of them at a time, without a word."""
    async with scene.injected("client TCP cut", "a third of the clients, four times"):
        for _ in range(4):
            for client in scene.chance.sample(scene.crowd.clients, len(scene.crowd.clients) // 3):
                client.cut("cut by the fault")
            await asyncio.sleep(scene.chance.uniform(1.0, 2.5))


async def _cut(side: Side, scene: Scene) -> None:
    links = _links(side, scene)
    node = scene.some_node().name
    async with scene.injected(f"{side} link cut", node):
        links[node].become(State.CUT)
        await asyncio.sleep(scene.chance.uniform(3.0, 5.0))
        links[node].become(State.OPEN)
    await asyncio.sleep(2)
    async with scene.injected(f"{side} link cut", "all nodes", _away(side)):
        for link in links.values():
            link.become(State.CUT)
        await asyncio.sleep(scene.chance.uniform(3.0, 4.0))
        for link in links.values():
            link.become(State.OPEN)


async def _slow(side: Side, scene: Scene) -> None:
    links = _links(side, scene)
    delay_s = scene.chance.uniform(0.1, 0.25)
    async with scene.injected(f"{side} link slow", f"{delay_s * 1000:.0f} ms each way, all nodes"):
        before = {name: link.delay_s for name, link in links.items()}
        for link in links.values():
            link.delay_s = delay_s
        await asyncio.sleep(8)
        for name, link in links.items():
            link.delay_s = before[name]


async def _one_way(side: Side, scene: Scene) -> None:
    links = _links(side, scene)
    for state in (State.DEAF, State.DUMB):
        node = scene.some_node().name
        async with scene.injected(f"{side} link one-way", f"{node}, {state.value}"):
            links[node].become(state)
            await asyncio.sleep(scene.chance.uniform(5.0, 7.0))
            links[node].become(State.OPEN)
        await asyncio.sleep(1)


async def _flapping(side: Side, scene: Scene) -> None:
    async with scene.injected(f"{side} link flapping", "all nodes"):
        await asyncio.gather(*(flap(link, 8.0, scene.chance.random) for link in _links(side, scene).values()))


def _links(side: Side, scene: Scene) -> Mapping[str, Link]:
    world = scene.world
    return {"redis": world.redis_links, "mongodb": world.mongodb_links, "clients": world.client_links}[side]


def _away(side: Side) -> Away | None:
    return {"redis": Away.BUS, "mongodb": Away.STORE, "clients": None}[side]
