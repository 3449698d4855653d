"""Coroutines started at once: they are tasks in everything but when their first step is."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from chat_service.realtime.inline import run_now, start_inline

variable = contextvars.ContextVar("variable", default="outside")


async def test_runs_to_its_first_wait_before_returning() -> None:
    steps: list[str] = []

    async def work() -> None:
        steps.append("first")
        await asyncio.sleep(0)
        steps.append("second")

    task = start_inline(work())
    assert steps == ["first"]
    await task
    assert steps == ["first", "second"]


async def test_sees_one_task_of_its_own_throughout() -> None:
    seen: list[asyncio.Task[None] | None] = []
    outer = asyncio.current_task()

    async def work() -> None:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    task = start_inline(work())
    assert asyncio.current_task() is outer
    await task
    assert seen == [task, task]


async def test_works_where_no_task_runs() -> None:
    done = asyncio.get_running_loop().create_future()
    tasks: list[asyncio.Task[None]] = []

    async def work() -> None:
        async with asyncio.timeout(5):
            await asyncio.sleep(0.01)
        done.set_result(None)

    asyncio.get_running_loop().call_soon(lambda: tasks.append(start_inline(work())))
    await done


async def test_its_timeouts_cancel_itself_and_not_the_task_around_it() -> None:
    caught: list[str] = []

    async def work() -> None:
        try:
            async with asyncio.timeout(0.02):
                await asyncio.sleep(10)
        except TimeoutError:
            caught.append("timeout")

    task = start_inline(work())
    await asyncio.sleep(0.1)
    assert caught == ["timeout"]
    assert task.done()


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_can_be_cancelled_at_any_time(turns: int) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            ended.append("cleaned up")

    task = start_inline(work())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["cleaned up"]


async def test_errors_are_the_tasks() -> None:
    async def work(waits: bool) -> None:
        if waits:
            await asyncio.sleep(0)
        raise ValueError("no")

    for waits in (False, True):
        with pytest.raises(ValueError, match="no"):
            await start_inline(work(waits))


async def test_has_a_context_of_its_own() -> None:
    seen: list[str] = []

    async def work() -> None:
        variable.set("inside")
        await asyncio.sleep(0)
        seen.append(variable.get())

    task = start_inline(work())
    assert variable.get() == "outside"
    await task
    assert seen == ["inside"]


async def test_nested() -> None:
    seen: list[bool] = []

    async def inner() -> None:
        seen.append(asyncio.current_task() is not outer_task)
        await asyncio.sleep(0)

    async def outer() -> None:
        nonlocal outer_task
        outer_task = asyncio.current_task()
        task = start_inline(inner())
        seen.append(asyncio.current_task() is outer_task)
        await task

    outer_task = None
    await start_inline(outer())
    assert seen == [True, True]


async def test_several_wait_for_one_future() -> None:
    gate: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    seen: list[str] = []

    async def work() -> None:
        seen.append(await gate)

    tasks = [start_inline(work()) for _ in range(3)]
    gate.set_result("open")
    tasks += [start_inline(work()) for _ in range(3)]
    await asyncio.gather(*tasks)
    assert seen == ["open"] * 6


async def test_run_now_refuses_to_wait() -> None:
    async def waits() -> None:
        await asyncio.sleep(0)

    async def never() -> None:
        return

    run_now(never())
    with pytest.raises(RuntimeError, match="waited"):
        run_now(waits())
