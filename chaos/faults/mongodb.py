"""Faults of MongoDB: killed and started again, stopped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chaos.history import Away

if TYPE_CHECKING:
    from chaos.scene import Scene
    from chaos.servers.mongodb import MongoDB


async def kill(scene: Scene) -> None:
    """Kill the server with SIGKILL, leave it away for seconds, start it again on its files."""
    mongodb = _mongodb(scene)
    async with scene.injected("MongoDB kill -9", away=Away.STORE):
        await mongodb.process.kill()
        await asyncio.sleep(scene.chance.uniform(3.0, 5.0))
        await mongodb.start()
    await asyncio.sleep(2)
    async with scene.injected("MongoDB kill -9", "back at once"):
        await mongodb.process.kill()
        await mongodb.start()


async def freeze(scene: Scene) -> None:
    """Stop the server with SIGSTOP: its connections stay, and nothing is answered."""
    process = _mongodb(scene).process
    async with scene.injected("MongoDB SIGSTOP", away=Away.STORE):
        process.halt()
        await asyncio.sleep(scene.chance.uniform(5.0, 7.0))
        process.go_on()


def _mongodb(scene: Scene) -> MongoDB:
    assert scene.world.mongodb is not None, "a round of this fault has MongoDB"  # noqa: S101 - as above
    return scene.world.mongodb
