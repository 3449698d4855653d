"""Real processes for the tests of this folder: whatever a test starts has ended after it."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from service_process import MakePlace, Place, ServiceProcess, StartService, free_port


@pytest.fixture
def seed() -> int:
    """What chance is made of; it is printed where a test fails, and CHAT_TEST_SEED repeats it."""
    chosen = int(os.environ.get("CHAT_TEST_SEED") or random.SystemRandom().randrange(10**9))
    print(f"CHAT_TEST_SEED={chosen}")
    return chosen


@pytest.fixture
def make_place(tmp_path: Path) -> MakePlace:
    """Give a function that makes the test's place for services, from settings."""

    def make(**settings: str) -> Place:
        return Place(tmp_path / "data", settings, metrics_port=free_port())

    return make


@pytest.fixture
async def start_service() -> AsyncIterator[StartService]:
    """Give a function that starts a service at a place.

    In the end each of them that still runs is stopped, which has to go well, and the log of each that served
    is clean.
    """
    started: list[ServiceProcess] = []

    def start(place: Place, **options: Any) -> ServiceProcess:
        process = ServiceProcess(place, **options)
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
