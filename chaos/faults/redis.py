"""Faults of Redis: killed, flushed, stopped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chaos.history import Away

if TYPE_CHECKING:
    from chaos.scene import Scene
    from chaos.servers.redis import Redis


async def kill(scene: Scene) -> None:
    """Kill Redis with SIGKILL, leave it away for seconds, start it again, empty."""
    redis = _redis(scene)
    async with scene.injected("Redis kill -9", "empty after its restart", Away.BUS):
        await redis.process.kill()
        await asyncio.sleep(scene.chance.uniform(5.0, 7.0))
        await redis.start()


async def restart(scene: Scene) -> None:
    """Restart Redis three times at once, as an update of it does."""
    for _ in range(3):
        async with scene.injected("Redis restart"):
            await _redis(scene).process.end()
            await _redis(scene).start()
        await asyncio.sleep(scene.chance.uniform(1.0, 2.5))


async def flush(scene: Scene) -> None:
    """FLUSHALL, again and again."""
    async with scene.injected("FLUSHALL", "five times"):
        for _ in range(5):
            await _redis(scene).flush()
            await asyncio.sleep(scene.chance.uniform(0.3, 1.2))


async def freeze(scene: Scene) -> None:
    """Stop Redis with SIGSTOP: its connections stay, and nothing is answered."""
    process = _redis(scene).process
    async with scene.injected("Redis SIGSTOP", away=Away.BUS):
        process.halt()
        await asyncio.sleep(scene.chance.uniform(5.0, 7.0))
        process.go_on()


def _redis(scene: Scene) -> Redis:
    assert scene.world.redis is not None, "a round of this fault has Redis"  # noqa: S101 - a defect of the table
    return scene.world.redis
