"""Faults of chat nodes: killed, stopped and continued, restarted one after the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chaos.scene import Scene


async def kill(scene: Scene) -> None:
    """Kill a node with SIGKILL, start it again after a while; three times, any node."""
    for _ in range(3):
        node = scene.some_node()
        async with scene.injected("kill -9", node.name):
            await node.process.kill()
            await asyncio.sleep(scene.chance.uniform(0.3, 2.0))
            node.start()
            await node.ready()
        await asyncio.sleep(scene.chance.uniform(1.5, 3.0))


async def freeze(scene: Scene) -> None:
    """Stop a node with SIGSTOP, longer than clients wait, and continue it as if nothing had happened."""
    node = scene.some_node()
    async with scene.injected("SIGSTOP", node.name):
        node.process.halt()
        await asyncio.sleep(scene.chance.uniform(7.0, 9.0))
        node.process.go_on()
    await asyncio.sleep(1)
    async with scene.injected("SIGSTOP", f"{node.name}, briefly"):
        node.process.halt()
        await asyncio.sleep(scene.chance.uniform(0.5, 2.0))
        node.process.go_on()


async def roll(scene: Scene) -> None:
    """Restart every node with SIGTERM, one after the other, as a deployment does."""
    async with scene.injected("rolling restart", "SIGTERM to each node in turn"):
        for node in scene.world.nodes:
            scene.history.departures.append(await node.leave())
            node.start()
            await node.ready()
            await asyncio.sleep(0.5)
