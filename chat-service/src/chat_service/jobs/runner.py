"""Running jobs: finding what is due, taking what the queue gives out, coming back to what has to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count

import structlog

from chat_service.jobs import Claim, Job, Work, WorkQueue
from chat_service.model.errors import ChatError

GATHER_S = 0.02
"""How long a hint waits for others that are looked up with it."""

SWEEP_S = 5.0
"""How often everything is looked through for what no hint told of."""

SWEEP_SHARE = 0.1
"""The most of the time that looking through everything may take, where there is a lot of it."""

COUNT_S = 5.0
"""How often what waits in the queue is counted."""

RECHECK_S = 30.0
"""Work that has to wait longer is looked at in between: another process may have made it due."""

UNAVAILABLE_S = 2.0
DEFECT_S = 60.0
"""Pauses before work is tried again that the store failed, and that a defect of ours failed."""

log = structlog.get_logger()


class Runner:
    """Runs the jobs that the queue gives to this process, up to `concurrency` at once."""

    def __init__(
        self,
        queue: WorkQueue,
        jobs: Sequence[Job],
        *,
        concurrency: int,
        counted: Callable[[int], None] = lambda waiting: None,
    ) -> None:
        """Prepare; `counted` is told again and again how much waits in the queue."""
        self._counted = counted
        self._queue = queue
        self._jobs = {job.name: job for job in jobs}
        self._slots = asyncio.Semaphore(concurrency)
        self._noted: set[str] = set()
        self._looking = True
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._later: dict[Work, asyncio.TimerHandle] = {}
        self._started = False
        self._own: list[asyncio.Task[None]] = []
        self._running: set[asyncio.Task[None]] = set()

    @property
    def healthy(self) -> bool:
        """Whether work is given out now."""
        return self._queue.healthy

    def note(self, room: str) -> None:
        """Say that something was written to a room."""
        self._noted.add(room)
        self._wake.set()

    def look_again(self) -> None:
        """Look through everything soon: what is due may have changed without a hint."""
        self._looking = True
        self._wake.set()

    def changed(self, subject: str) -> None:
        """Say that what `subject` waits for may have come about: all of its work is looked at again at once."""
        for work in [work for work in self._later if work.subject == subject]:
            self._later.pop(work).cancel()
        self.look_again()

    async def start(self) -> None:
        """Begin."""
        self._started = True
        await self._queue.start()
        loop = asyncio.get_running_loop()
        self._own = [
            loop.create_task(self._find(), name="jobs finder"),
            loop.create_task(self._take(), name="jobs taker"),
            loop.create_task(self._count(), name="jobs counter"),
        ]

    async def stop(self, patience_s: float) -> None:
        """End what runs at the next point where nothing is half done, by force after `patience_s` seconds.

        Nothing where it was not started, or is stopped already.
        """
        started, self._started = self._started, False
        if not started:
            return
        self._stopping.set()
        await _end(self._own)
        for handle in self._later.values():
            handle.cancel()
        self._later.clear()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=patience_s)
            await _end(list(late))
        await self._queue.stop()

    # -- finding --------------------------------------------------------------------------------------

    async def _find(self) -> None:
        loop = asyncio.get_running_loop()
        next_sweep = loop.time()
        # A sweep that somebody asks for comes soon, but never so often that little else is done.
        soonest = loop.time()
        while True:
            until = soonest if self._looking else next_sweep
            await self._pause(until - loop.time())
            await self._follow_hints()
            now = loop.time()
            if now >= next_sweep or (self._looking and now >= soonest):
                self._looking = False
                await self._sweep()
                took = loop.time() - now
                soonest = loop.time() + took / SWEEP_SHARE
                next_sweep = loop.time() + max(SWEEP_S, took / SWEEP_SHARE)

    async def _pause(self, seconds: float) -> None:
        """Wait until a hint comes, or for so many seconds; then a moment for more hints."""
        if seconds > 0 and not self._noted:
            self._wake.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            except TimeoutError:
                return
        await asyncio.sleep(GATHER_S)

    async def _follow_hints(self) -> None:
        noted, self._noted = self._noted, set()
        if not noted:
            return
        for job in self._jobs.values():
            try:
                await self._offer(await job.about(noted))
            except ChatError as problem:  # the next sweep finds it
                log.warning("jobs.hint_lost", job=job.name, error=problem.message)

    async def _sweep(self) -> None:
        for job in self._jobs.values():
            try:
                async for works in job.due():
                    await self._offer(works)
            except ChatError as problem:
                log.warning("jobs.sweep_failed", job=job.name, error=problem.message)
            except Exception:  # a defect of ours in one job must not end the others
                log.exception("jobs.sweep_failed", job=job.name)

    async def _offer(self, works: Sequence[Work]) -> None:
        # What waits for its time here is not due before, whatever a sweep finds.
        wanted = [work for work in works if work not in self._later]
        if wanted:
            await self._queue.offer(wanted)

    async def _count(self) -> None:
        while True:
            waiting = await self._queue.waiting()
            if waiting is not None:
                self._counted(waiting)
            await asyncio.sleep(COUNT_S)

    # -- running --------------------------------------------------------------------------------------

    async def _take(self) -> None:
        loop = asyncio.get_running_loop()
        for number in count():
            await self._slots.acquire()
            claim = await self._queue.take()
            task = loop.create_task(self._run(claim), name=f"job {number} {claim.work.job}")
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._slots.release()
        if not task.cancelled() and task.exception() is not None:
            log.error("jobs.failed", exc_info=task.exception())

    async def _run(self, claim: Claim) -> None:
        work = claim.work
        wait_s = await self._wait_after(work)
        if self._stopping.is_set():
            if wait_s == 0:
                await self._queue.release(claim)
            else:
                await self._queue.done(claim)
            return
        if wait_s:
            self._come_back(work, wait_s)
        await self._queue.done(claim)
        if wait_s == 0:
            await self._queue.offer([work])

    async def _wait_after(self, work: Work) -> float | None:
        """Do `work`; the pause before it is done again, None where it need not be."""
        job = self._jobs.get(work.job)
        if job is None:  # of a newer version that works beside this one
            return None
        try:
            return await job.run(work, self._stopping)
        except ChatError as problem:
            log.warning("jobs.waits", job=work.job, room=work.room, error=problem.message)
            return UNAVAILABLE_S
        except Exception:  # a defect of ours must not end the other work
            log.exception("jobs.failed", job=work.job, subject=work.subject, room=work.room)
            return DEFECT_S

    def _come_back(self, work: Work, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        before = self._later.pop(work, None)
        if before is not None:
            before.cancel()
        self._later[work] = loop.call_later(min(wait_s, RECHECK_S), self._due_again, work)

    def _due_again(self, work: Work) -> None:
        del self._later[work]
        task = asyncio.get_running_loop().create_task(self._queue.offer([work]), name="jobs offer")
        self._own.append(task)
        task.add_done_callback(self._own.remove)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
