"""Webhooks from whole processes that are killed in the middle: nothing is lost and every room keeps its order."""

from __future__ import annotations

import asyncio
import random

from eventually import eventually
from service_process import MakePlace, Place, StartService, metrics_of, run_command
from webhook_crowd import SETTINGS, SOON_S, beside, webhook_crowd

from servers.webhook_receiver import Behaviour

ROUNDS = 5
KILLS = {"vigilance.peer_died"}
"""What a process says of a worker that was killed beside it."""


async def test_the_embedded_service_killed_in_the_middle_loses_nothing(
    make_place: MakePlace, start_service: StartService, seed: int
) -> None:
    chance = random.Random(seed)
    place = make_place(**SETTINGS)
    process = start_service(place, measured=False)
    await process.ready()
    async with webhook_crowd(place.url, rooms=3) as crowd:
        crowd.fail_sometimes(chance)
        for round_ in range(1, ROUNDS + 1):
            await crowd.talk(20)
            await crowd.delivered(round_ / (ROUNDS + 2))
            await process.kill()
            process = start_service(place, measured=False)
            await process.ready()
        await crowd.assert_nothing_lost()


async def test_a_worker_killed_in_the_middle_loses_nothing(
    make_place: MakePlace, start_service: StartService, seed: int
) -> None:
    chance = random.Random(seed)
    place = make_place(**SETTINGS, CHAT_JOBS="off")
    service = start_service(place, warns=KILLS)
    await service.ready()
    async with webhook_crowd(place.url, rooms=3) as crowd:
        crowd.fail_sometimes(chance)
        await crowd.talk(20)
        await asyncio.sleep(1)
        assert crowd.at.arrived == []  # `serve` was told to leave it
        for round_ in range(1, ROUNDS + 1):
            worker = start_service(beside(place), command="worker", measured=False, warns=KILLS)
            await worker.ready()
            await crowd.talk(10)
            await crowd.delivered(round_ / (ROUNDS + 2))
            await worker.kill()
        last = start_service(beside(place), command="worker", warns=KILLS)
        await crowd.assert_nothing_lost()
        await eventually(lambda: _caught_up(last.place), SOON_S)
        await run_command(last.place, "healthcheck", "--worker")


async def _caught_up(place: Place) -> bool:
    samples = await metrics_of(place)
    return samples.get('chat_jobs_lag_entries{job="webhooks"}') == 0


async def test_of_workers_on_one_file_one_works_and_the_next_takes_over(
    make_place: MakePlace, start_service: StartService
) -> None:
    place = make_place(**SETTINGS, CHAT_JOBS="off")
    service = start_service(place, warns=KILLS)
    await service.ready()
    first, second = (start_service(beside(place), command="worker", measured=False, warns=KILLS) for _ in range(2))
    await first.ready()
    await second.ready()
    async with webhook_crowd(place.url, rooms=2) as crowd:
        await crowd.talk(10)
        await crowd.delivered()
        working = [one for one in (first, second) if await _delivered(one.place)]
        assert len(working) == 1
        assert len(crowd.at.took) == 20  # each once
        await working[0].kill()
        await crowd.talk(10)
        await crowd.assert_nothing_lost()


async def _delivered(place: Place) -> float:
    samples = await metrics_of(place)
    return samples.get('chat_webhook_deliveries_total{outcome="delivered"}', 0)


async def test_a_worker_that_is_told_to_leave_finishes_what_is_on_its_way(
    make_place: MakePlace, start_service: StartService
) -> None:
    place = make_place(**SETTINGS, CHAT_JOBS="off")
    service = start_service(place, warns=KILLS)
    await service.ready()
    worker = start_service(beside(place), command="worker", warns=KILLS)
    await worker.ready()
    async with webhook_crowd(place.url, rooms=4) as crowd:
        crowd.at.behave = lambda _: Behaviour(delay_s=1)
        await crowd.talk(3)
        await eventually(lambda: crowd.at.at_once >= 4, SOON_S)
        worker.terminate()
        assert await worker.ended(SOON_S) == 0
        assert crowd.at.at_once == 0
        assert len(crowd.at.took) == len(crowd.at.arrived)
        crowd.at.behave = lambda _: Behaviour()
        start_service(beside(place), command="worker", warns=KILLS)
        await crowd.assert_nothing_lost()
        assert len(crowd.at.took) == 12  # nothing came twice
