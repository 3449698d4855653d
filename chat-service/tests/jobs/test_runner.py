"""Running jobs: what hints and sweeps lead to, and what a failure or a stop does to the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager

import pytest
from backstage import until

from chat_service.jobs import Work, runner
from chat_service.jobs.local import LocalQueue
from chat_service.jobs.runner import Runner
from chat_service.model.errors import unavailable

ROOM, OTHER = "c" + "a" * 21, "c" + "b" * 21
Done = Callable[[Work, asyncio.Event], Awaitable[float | None]]


class Errand:
    """A job that is due in the rooms of `owed`, and does what the test says."""

    def __init__(self, do: Done, name: str = "errand") -> None:
        self.name = name
        self.owed: set[str] = set()
        self.ran: list[str] = []
        self._do = do

    async def about(self, rooms: Collection[str]) -> list[Work]:
        """See Job."""
        return [Work(self.name, "", room) for room in rooms]

    async def due(self) -> AsyncIterator[list[Work]]:
        """See Job."""
        yield [Work(self.name, "", room) for room in sorted(self.owed)]

    async def run(self, work: Work, stopping: asyncio.Event) -> float | None:
        """See Job."""
        self.ran.append(work.room)
        return await self._do(work, stopping)


@asynccontextmanager
async def running(*jobs: Errand, concurrency: int = 4) -> AsyncIterator[Runner]:
    made = Runner(LocalQueue(), jobs, concurrency=concurrency)
    await made.start()
    yield made
    await made.stop(5)


async def test_it_tells_what_waits_because_all_hands_are_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "COUNT_S", 0.01)
    told: list[int] = []

    async def long(work: Work, stopping: asyncio.Event) -> float | None:
        del work
        await stopping.wait()
        return None

    made = Runner(LocalQueue(), [Errand(long)], concurrency=1, counted=told.append)
    await made.start()
    for room in (ROOM, OTHER):
        made.note(room)
    await until(lambda: told[-1:] == [1])
    await made.stop(5)


async def nothing(work: Work, stopping: asyncio.Event) -> float | None:
    del work, stopping
    return None


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "UNAVAILABLE_S", 0.05)
    monkeypatch.setattr(runner, "DEFECT_S", 0.05)


async def test_a_hint_leads_to_work_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "SWEEP_S", 3600.0)
    job = Errand(nothing)
    async with running(job) as made:
        for _ in range(3):
            made.note(ROOM)
        await until(lambda: job.ran == [ROOM])
        made.note(OTHER)
        await until(lambda: job.ran == [ROOM, OTHER])


async def test_what_no_hint_told_of_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "SWEEP_S", 0.05)
    job = Errand(nothing)
    async with running(job):
        await asyncio.sleep(0.2)
        job.owed = {OTHER}
        await until(lambda: job.ran[:2] == [OTHER, OTHER])


async def test_whoever_says_so_has_everything_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "SWEEP_S", 3600.0)
    job = Errand(nothing)
    async with running(job) as made:
        await asyncio.sleep(0.1)
        job.owed = {ROOM}
        made.look_again()
        await until(lambda: job.ran == [ROOM])


async def test_what_the_store_failed_is_done_again() -> None:
    async def fails_twice(work: Work, stopping: asyncio.Event) -> float | None:
        del work, stopping
        if len(job.ran) <= 2:
            raise unavailable("Not now.")
        return None

    job = Errand(fails_twice)
    async with running(job) as made:
        made.note(ROOM)
        await until(lambda: len(job.ran) == 3)


async def test_a_defect_stops_nothing_else() -> None:
    async def broken(work: Work, stopping: asyncio.Event) -> float | None:
        del work, stopping
        raise ZeroDivisionError

    async def broken_search() -> AsyncIterator[list[Work]]:
        raise ZeroDivisionError
        yield []

    bad, good = Errand(broken, "bad"), Errand(nothing, "good")
    bad.due = broken_search  # type: ignore[method-assign]
    good.owed = {OTHER}
    async with running(bad, good) as made:
        made.note(ROOM)
        await until(lambda: ROOM in good.ran and OTHER in good.ran and len(bad.ran) > 1)


async def test_work_that_has_to_wait_comes_back_and_is_not_looked_at_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "SWEEP_S", 0.02)

    async def waits(work: Work, stopping: asyncio.Event) -> float | None:
        del work, stopping
        return 3600.0 if len(job.ran) < 3 else None

    job = Errand(waits)
    job.owed = {ROOM}
    async with running(job) as made:
        await until(lambda: job.ran == [ROOM])
        await asyncio.sleep(0.3)
        assert job.ran == [ROOM]
        made.changed("somebody else")
        await asyncio.sleep(0.2)
        assert job.ran == [ROOM]
        made.changed("")
        await until(lambda: job.ran == [ROOM, ROOM])


async def test_no_more_is_in_hand_than_may_be() -> None:
    at_once: list[int] = []
    now = 0

    async def slow(work: Work, stopping: asyncio.Event) -> float | None:
        del work, stopping
        nonlocal now
        now += 1
        at_once.append(now)
        await asyncio.sleep(0.01)
        now -= 1
        return None

    job = Errand(slow)
    async with running(job, concurrency=3) as made:
        for number in range(20):
            made.note(f"c{number:021d}")
        await until(lambda: len(job.ran) == 20)
    assert max(at_once) == 3


async def test_a_stop_lets_what_runs_come_to_a_good_end() -> None:
    ended: list[str] = []

    async def slow(work: Work, stopping: asyncio.Event) -> float | None:
        await stopping.wait()
        await asyncio.sleep(0.1)
        ended.append(work.room)
        return 0.0

    job = Errand(slow)
    async with running(job) as made:
        made.note(ROOM)
        await until(lambda: job.ran == [ROOM])
    assert ended == [ROOM]
    assert job.ran == [ROOM]


async def test_a_stop_does_not_wait_for_ever() -> None:
    async def stuck(work: Work, stopping: asyncio.Event) -> float | None:
        del work, stopping
        await asyncio.sleep(3600)
        return None

    made = Runner(LocalQueue(), [Errand(stuck)], concurrency=1)
    await made.start()
    made.note(ROOM)
    await asyncio.sleep(0.2)
    await made.stop(0.1)
    await made.stop(0.1)


async def test_work_of_a_job_that_this_version_does_not_know_is_left() -> None:
    queue = LocalQueue()
    job = Errand(nothing)
    made = Runner(queue, [job], concurrency=1)
    await made.start()
    await queue.offer([Work("of a newer version", "", ROOM), Work(job.name, "", OTHER)])
    await until(lambda: job.ran == [OTHER])
    await made.stop(1)
