"""What every WorkQueue must do. A new one joins by its name in `ADAPTERS`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from chat_service.jobs import Work, WorkQueue
from chat_service.jobs.local import LocalQueue
from chat_service.jobs.redis import RedisQueue
from servers.redis_server import RedisServer, redis_server

Require = Callable[[str], str]
A, B, C = (Work("job", "subject", "c" + letter * 21) for letter in "abc")
STALLED_S = 1.0
SOON_S = 20.0


@asynccontextmanager
async def local(require: Require, folder: Path) -> AsyncIterator[WorkQueue]:
    del require, folder
    queue = LocalQueue()
    await queue.start()
    yield queue
    await queue.stop()


def queue_of(server: RedisServer, worker: str, world: str = "world") -> RedisQueue:
    return RedisQueue(lambda: server.endpoint, world=world, worker=worker, stalled_s=STALLED_S)


@asynccontextmanager
async def redis(require: Require, folder: Path) -> AsyncIterator[WorkQueue]:
    with redis_server(require("redis-server"), folder) as server:
        queue = queue_of(server, "one")
        await queue.start()
        yield queue
        await queue.stop()


ADAPTERS: dict[str, Callable[[Require, Path], AbstractAsyncContextManager[WorkQueue]]] = {
    "local": local,
    "redis": redis,
}


@pytest.fixture(params=ADAPTERS)
async def queue(request: pytest.FixtureRequest, require: Require, tmp_path: Path) -> AsyncIterator[WorkQueue]:
    async with ADAPTERS[request.param](require, tmp_path) as made:
        yield made


@pytest.fixture
def server(require: Require, tmp_path: Path) -> AsyncIterator[RedisServer]:
    with redis_server(require("redis-server"), tmp_path) as started:
        yield started


async def nothing_to_take(queue: WorkQueue) -> bool:
    try:
        async with asyncio.timeout(0.3):
            await queue.take()
    except TimeoutError:
        return True
    return False


async def test_it_counts_what_nobody_has_taken(queue: WorkQueue) -> None:
    assert await queue.waiting() == 0
    await queue.offer([A, B, C])
    assert await queue.waiting() == 3
    claim = await queue.take()
    assert await queue.waiting() == 2
    await queue.release(claim)
    assert await queue.waiting() == 3
    await queue.done(await queue.take())
    assert await queue.waiting() == 2


async def test_what_is_offered_is_given_out_once(queue: WorkQueue) -> None:
    await queue.offer([A, B])
    await queue.offer([B, A])
    await queue.offer([])
    first, second = await queue.take(), await queue.take()
    assert [first.work, second.work] == [A, B]
    assert await nothing_to_take(queue)
    await queue.done(first)
    await queue.done(second)
    assert await nothing_to_take(queue)
    assert queue.healthy


async def test_whoever_waits_is_given_what_comes(queue: WorkQueue) -> None:
    waiting = asyncio.create_task(queue.take())
    await asyncio.sleep(0.05)
    await queue.offer([A])
    assert (await waiting).work == A


async def test_what_is_offered_while_it_is_claimed_is_given_out_once_more(queue: WorkQueue) -> None:
    await queue.offer([A])
    claim = await queue.take()
    await queue.offer([A])
    await queue.offer([A])
    assert await nothing_to_take(queue)
    await queue.done(claim)
    again = await queue.take()
    assert again.work == A
    await queue.done(again)
    assert await nothing_to_take(queue)


async def test_what_is_released_is_given_out_again_at_once(queue: WorkQueue) -> None:
    await queue.offer([A])
    await queue.release(await queue.take())
    assert (await queue.take()).work == A


async def test_parts_of_work_may_be_empty(queue: WorkQueue) -> None:
    for work in (Work("replays", "w" + "a" * 21, ""), Work("retention", "", "c" + "a" * 21)):
        await queue.offer([work])
        assert (await queue.take()).work == work


# -- the lock of the local one -------------------------------------------------------------------------


async def test_of_processes_with_one_lock_only_one_works_and_another_takes_over(tmp_path: Path) -> None:
    one, other = (LocalQueue(tmp_path / "jobs.lock") for _ in range(2))
    await one.offer([A])
    assert (await one.take()).work == A
    await other.offer([B])
    standing_by = asyncio.create_task(other.take())
    await asyncio.sleep(0.1)
    assert not standing_by.done()
    await one.stop()
    assert (await standing_by).work == B
    await other.stop()


# -- several workers of the Redis one --------------------------------------------------------------------


@asynccontextmanager
async def workers(server: RedisServer, *names: str) -> AsyncIterator[list[RedisQueue]]:
    queues = [queue_of(server, name) for name in names]
    for queue in queues:
        await queue.start()
    yield queues
    for queue in queues:
        await queue.stop()


async def test_workers_share_what_is_offered_by_any_of_them(server: RedisServer) -> None:
    async with workers(server, "one", "other") as (one, other):
        await one.offer([A, B])
        await other.offer([A, B, C])
        claims = [await one.take(), await other.take(), await one.take()]
        assert {claim.work for claim in claims} == {A, B, C}
        assert await nothing_to_take(other)


async def test_worlds_on_one_server_do_not_share_work(server: RedisServer) -> None:
    async with workers(server, "one") as (queue,):
        other = queue_of(server, "one", "another world")
        await other.start()
        await other.offer([A])
        assert await nothing_to_take(queue)
        assert (await other.take()).work == A
        await other.stop()


async def test_a_changed_password_is_taken_up_at_the_next_connection(server: RedisServer) -> None:
    async with workers(server, "one") as (queue,):
        await queue.offer([A])
        server.password = "another"
        server.kill()
        server.start()
        await queue.offer([A])
        async with asyncio.timeout(SOON_S):
            while (await queue.take()).work != A:
                pass
        assert queue.healthy


async def test_work_of_a_worker_that_fell_silent_is_given_to_another(server: RedisServer) -> None:
    async with workers(server, "one", "other") as (one, other):
        await one.offer([A])
        claim = await one.take()
        assert one._renewing is not None
        one._renewing.cancel()  # as if the process stood still
        async with asyncio.timeout(SOON_S):
            taken = await other.take()
        assert taken.work == A
        await one.done(claim)  # it comes back and knows nothing of that
        await one.offer([A])
        assert await nothing_to_take(one)
        await other.done(taken)
        async with asyncio.timeout(SOON_S):  # what was offered meanwhile
            assert (await one.take()).work == A


async def test_work_that_takes_long_stays_with_its_worker(server: RedisServer) -> None:
    async with workers(server, "one", "other") as (one, other):
        await one.offer([A])
        claim = await one.take()
        for _ in range(int(4 * STALLED_S)):
            await asyncio.sleep(1)
            await other.offer([A])
            assert await nothing_to_take(other)
        await one.done(claim)
        assert (await other.take()).work == A


async def test_what_redis_forgets_is_taken_when_it_is_offered_again(server: RedisServer) -> None:
    async with workers(server, "one") as (queue,):
        await queue.offer([A, B])
        claim = await queue.take()
        server.command("FLUSHALL")
        await queue.done(claim)
        assert await queue.waiting() is None
        assert await queue.waiting() == 0
        assert queue.healthy
        await queue.offer([B])
        async with asyncio.timeout(SOON_S):
            assert (await queue.take()).work == B


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.05)


async def test_a_redis_that_dies_is_waited_for(server: RedisServer) -> None:
    async with workers(server, "one") as (queue,):
        await queue.offer([A])
        waiting = asyncio.create_task(queue.take())
        assert (await waiting).work == A
        waiting = asyncio.create_task(queue.take())
        await asyncio.sleep(0.1)
        server.kill()
        await until(lambda: not queue.healthy)
        await queue.offer([B])  # lost, and no error of the one who offers
        server.start()
        await until(lambda: queue.healthy)
        await queue.offer([C])
        async with asyncio.timeout(SOON_S):
            assert (await waiting).work == C


async def test_the_stream_holds_only_what_is_not_done(server: RedisServer) -> None:
    async with workers(server, "one") as (queue,):
        for _ in range(50):
            await queue.offer([A, B])
            for claim in [await queue.take(), await queue.take()]:
                await queue.done(claim)
        assert server.command("XLEN", "chat:{world}:jobs:due") == 0
        assert server.command("KEYS", "*") == [b"chat:{world}:jobs:due"]
