"""Several workers that share work by Redis: it may forget everything, die, and so may any of them."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eventually import eventually
from service_process import Place, ServiceProcess, StartService, free_port, metrics_of
from webhook_crowd import SETTINGS, SOON_S, WebhookCrowd, beside, webhook_crowd

from servers.redis_server import RedisServer
from servers.webhook_receiver import OK, Arrival, Behaviour

WARNS = {
    *("jobs.redis_away", "jobs.waits", "jobs.sweep_failed", "jobs.hint_lost", "indexer.waits", "redactor.waits"),
    *("dependency.changed", "webhook.given_up", "bus.unwell", "store.unavailable", "chore.failed"),
    *("vigilance.peer_died", "peers.gone"),
}
"""What a process says that was stopped for a while, or whose Redis was, or whose peer was killed."""


@pytest.fixture
def place(mongodb_uri: str, redis: RedisServer, tmp_path: Path) -> Place:
    """Where a service that runs no jobs lives, on a database of the test's own."""
    settings = {
        **SETTINGS,
        "CHAT_MONGODB_URI": mongodb_uri,
        "CHAT_REDIS_URLS": redis.url,
        "CHAT_FILES_URL": f"file://{tmp_path}",
    }
    return Place(tmp_path / "data", settings, metrics_port=free_port())


@pytest.fixture
def chance() -> random.Random:
    """What chance is made of; it is printed where a test fails, and CHAT_TEST_SEED repeats it."""
    seed = int(os.environ.get("CHAT_TEST_SEED") or random.SystemRandom().randrange(10**9))
    print(f"CHAT_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
async def start_service() -> AsyncIterator[StartService]:
    """As in the tests of processes: what a test starts has ended after it, and said nothing unexpected."""
    started: list[ServiceProcess] = []

    def start(place: Place, **options: Any) -> ServiceProcess:
        process = ServiceProcess(place, measured=False, warns=WARNS, **options)
        started.append(process)
        return process

    try:
        yield start
        for process in started:
            await process.assert_stops()
            process.assert_clean_log()
    finally:
        for process in started:
            await process.kill()


async def two_workers(place: Place, start: StartService) -> list[ServiceProcess]:
    """A service that runs no jobs, and two workers beside it; returns the workers."""
    service = start(place)
    await service.ready(within_s=60)
    workers = [worker(place, start) for _ in range(2)]
    for one in workers:
        await one.ready(within_s=60)
    return workers


def worker(place: Place, start: StartService) -> ServiceProcess:
    return start(beside(place), command="worker")


async def delivered_by(process: ServiceProcess) -> float:
    samples = await metrics_of(process.place)
    return samples.get('chat_webhook_deliveries_total{outcome="delivered"}', 0)


async def test_workers_share_the_work(
    place: Place, start_service: StartService, redis: RedisServer, chance: random.Random
) -> None:
    workers = await two_workers(place, start_service)
    async with webhook_crowd(place.url, rooms=8) as crowd:
        crowd.fail_sometimes(chance, delay_s=0.05)
        await crowd.talk(20)
        await crowd.assert_nothing_lost()
        assert len(crowd.at.took) == 160  # nobody did what another one did
        assert min([await delivered_by(one) for one in workers]) > 0
        (stream,) = redis.command("KEYS", "chat:{*}:jobs:due")
        await eventually(lambda: redis.command("XLEN", stream) == 0, SOON_S)


async def test_a_redis_that_forgets_and_dies_loses_nothing(
    place: Place, start_service: StartService, redis: RedisServer, chance: random.Random
) -> None:
    await two_workers(place, start_service)
    async with webhook_crowd(place.url, rooms=6) as crowd:
        crowd.fail_sometimes(chance, delay_s=0.02)
        talking = asyncio.create_task(crowd.talk(40, pause_s=0.1))
        for _ in range(3):
            await asyncio.sleep(1)
            redis.command("FLUSHALL")
        redis.kill()
        await asyncio.sleep(1)
        redis.start()
        await asyncio.sleep(1)
        redis.kill()
        redis.start()
        await talking
        await crowd.assert_nothing_lost()


async def test_the_work_of_one_that_stands_still_is_done_by_the_other(
    place: Place, start_service: StartService
) -> None:
    workers = await two_workers(place, start_service)
    async with webhook_crowd(place.url, rooms=4) as crowd:
        crowd.at.behave = lambda _: Behaviour(delay_s=0.1)
        await crowd.talk(30)
        await eventually(lambda: _both_at_work(workers), SOON_S)
        workers[0].signal(signal.SIGSTOP)
        try:
            crowd.at.behave = lambda _: OK
            await crowd.talk(5)
            await crowd.assert_nothing_lost()
        finally:
            workers[0].signal(signal.SIGCONT)
        # It comes back to work that is not its own any more: it repeats at most what it had in hand.
        await crowd.talk(5)
        await crowd.assert_nothing_lost()
        assert len(crowd.at.took) <= len({one.delivery for one in crowd.at.took}) + 2 * len(crowd.rooms)


async def _both_at_work(workers: list[ServiceProcess]) -> bool:
    return min([await delivered_by(one) for one in workers]) > 0


async def test_a_worker_that_leaves_hands_its_work_over(place: Place, start_service: StartService) -> None:
    workers = await two_workers(place, start_service)
    async with webhook_crowd(place.url, rooms=4) as crowd:
        crowd.at.behave = lambda _: replace(OK, delay_s=0.3)
        await crowd.talk(10)
        await eventually(lambda: _both_at_work(workers), SOON_S)
        workers[0].terminate()
        assert await workers[0].ended(SOON_S) == 0
        crowd.at.behave = lambda _: OK
        await crowd.assert_nothing_lost()
        assert len(crowd.at.took) == 40  # nothing came twice


async def test_workers_that_are_killed_one_after_another_lose_nothing(
    place: Place, start_service: StartService, chance: random.Random
) -> None:
    workers = await two_workers(place, start_service)
    async with webhook_crowd(place.url, rooms=5) as crowd:
        crowd.fail_sometimes(chance, delay_s=0.02)
        await _kill_some(crowd, workers, chance, lambda: worker(place, start_service))
        await crowd.assert_nothing_lost()


async def _kill_some(
    crowd: WebhookCrowd, workers: list[ServiceProcess], chance: random.Random, start: Callable[[], ServiceProcess]
) -> None:
    talking = asyncio.create_task(crowd.talk(40, pause_s=0.1))
    for _ in range(4):
        await asyncio.sleep(chance.uniform(0.5, 1.5))
        victim = workers.pop(chance.randrange(len(workers)))
        await victim.kill()
        workers.append(start())
    await talking


async def test_what_was_given_up_can_be_had_again_from_any_worker(
    place: Place, start_service: StartService
) -> None:
    place = replace(place, settings={**place.settings, "CHAT_WEBHOOK_ATTEMPTS": "2"})
    await two_workers(place, start_service)
    async with webhook_crowd(place.url, rooms=3) as crowd:
        broken: Behaviour | None = Behaviour(503)

        def behave(arrival: Arrival) -> Behaviour:
            assert arrival.entry is not None
            return broken if broken is not None and arrival.entry["seq"] % 3 == 0 else OK

        crowd.at.behave = behave
        await crowd.talk(12)
        hooks = [
            hook["id"]
            for room in crowd.rooms
            for hook in (await crowd.person.ask("GET", f"/webhooks?room={room}"))["webhooks"]
        ]

        async def given_up() -> bool:
            pages = [await crowd.person.ask("GET", f"/webhooks/{hook}/deliveries?state=dead") for hook in hooks]
            return sum(len(page["deliveries"]) for page in pages) == 12

        await eventually(given_up, SOON_S)
        broken = None
        for hook in hooks:
            assert (await crowd.person.ask("POST", f"/webhooks/{hook}/replay-dead"))["deliveries"] == 4
        await crowd.delivered()
        for room in crowd.rooms:
            assert sorted(crowd.at.seqs(room)) == crowd.said[room]
        crowd.at.check()
