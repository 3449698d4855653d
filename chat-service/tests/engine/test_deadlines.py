"""Deadlines on one timer."""

from __future__ import annotations

import asyncio
import time

from chat_service.engine.deadlines import RESOLUTION, Deadlines, Timer


async def test_each_is_due_after_the_delay_and_in_order() -> None:
    fired: list[tuple[str, float]] = []
    timer = Timer()
    long = Deadlines[str](timer, 0.1, lambda item, _: fired.append((item, time.monotonic())))
    short = Deadlines[str](timer, 0.05, lambda item, _: fired.append((item, time.monotonic())))
    started = time.monotonic()
    for item in ("a", "b", "c"):
        long.start(item)
    short.start("x")
    assert long.stop("b")
    assert not long.stop("b")
    await asyncio.sleep(0.2)
    assert [item for item, _ in fired] == ["x", "a", "c"]
    assert fired[0][1] - started < 0.09
    assert all(0.095 <= at - started < 0.15 for _, at in fired[1:])


async def test_restart_moves_an_item_to_the_end() -> None:
    fired: list[str] = []
    timer = Timer()
    deadlines = Deadlines[str](timer, 0.05, lambda item, _: fired.append(item))
    deadlines.start("a")
    deadlines.start("b")
    deadlines.start("a")
    await asyncio.sleep(0.1)
    assert fired == ["b", "a"]
    deadlines.start("c")
    await asyncio.sleep(0.1)
    assert fired == ["b", "a", "c"]


async def test_items_can_be_started_and_stopped_while_others_fire() -> None:
    fired: list[str] = []
    timer = Timer()

    def expired(item: str, due: float) -> None:
        fired.append(item)
        deadlines.stop("b")
        if item == "a":
            deadlines.start("again", due)

    deadlines = Deadlines[str](timer, 0.03, expired)
    for item in ("a", "b", "c"):
        deadlines.start(item)
    await asyncio.sleep(0.12)
    assert fired == ["a", "c", "again"]


async def test_overdue_items_can_be_run_without_the_timer() -> None:
    fired: list[str] = []
    timer = Timer()
    deadlines = Deadlines[str](timer, 0.0, lambda item, _: fired.append(item))
    deadlines.start("a")
    timer.run_due()
    assert fired == ["a"]


async def test_stopped_timer_starts_again() -> None:
    fired: list[str] = []
    timer = Timer()
    deadlines = Deadlines[str](timer, 0.01, lambda item, _: fired.append(item))
    deadlines.start("a")
    timer.stop()
    await asyncio.sleep(0.05)
    assert fired == []
    deadlines.start("b")
    await asyncio.sleep(0.02 + RESOLUTION * 4)
    assert fired == ["a", "b"]
