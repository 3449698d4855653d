"""A process that is killed at any moment of its life loses nothing that it acked, and repeats nothing."""

from __future__ import annotations

import asyncio
import random

from crowd import Crowd, gathered
from service_process import MakePlace, ServiceProcess, StartService

ROUNDS = 50
QUICK_DRAIN = {"CHAT_DRAIN_NOTICE_S": "0.2", "CHAT_DRAIN_CLOSE_S": "0.3", "CHAT_STOP_TIMEOUT_S": "5"}


async def _until_the_blow(process: ServiceProcess, chance: random.Random) -> str:
    """Let the process live for a while; return in which part of its life that ends."""
    part = chance.choices(("starting", "serving", "draining"), (2, 6, 2))[0]
    if part == "starting":
        await asyncio.sleep(chance.uniform(0, 0.6))
        return part
    await process.ready()
    await asyncio.sleep(chance.uniform(0, 0.6))
    if part == "draining":
        process.terminate()
        await asyncio.sleep(chance.uniform(0, 0.7))
    return part


async def _survive(crowd: Crowd, start: StartService, first: ServiceProcess, chance: random.Random) -> None:
    process, deaths = first, []
    for _ in range(ROUNDS):
        deaths.append(await _until_the_blow(process, chance))
        await process.kill()
        process = start(process.place, measured=False)
        if chance.random() < 0.2:
            await chance.choice(crowd.clients).cut()
    await process.ready()
    await crowd.assert_sound()
    history = crowd.history
    duplicates = sum(any(ack.duplicate for ack in sent.acks) for sent in history.sends)
    print("killed while", ", ".join(f"{part} {deaths.count(part)} times" for part in sorted(set(deaths))))
    print(f"{history.acked} acked, {duplicates} found stored on repeating, {len(history.links)} connections")
    assert history.acked > ROUNDS * 10
    assert len(history.links) > ROUNDS * len(crowd.clients) // 4


async def test_killed_at_random_points_under_load(
    make_place: MakePlace, start_service: StartService, seed: int
) -> None:
    place = make_place(**QUICK_DRAIN)
    process = start_service(place, measured=False)
    await process.ready()
    async with gathered(place.url, people=3, rooms=3) as crowd:
        await crowd.connect(5, polling=1)
        crowd.talk(seed)
        await _survive(crowd, start_service, process, random.Random(seed))
