"""Retention: what is older than its room keeps it goes, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from backstage import Backstage, backstage

from chat_service import app
from chat_service.jobs import Work
from chat_service.jobs.retention import DAY_MS, RetentionJob
from chat_service.model.entries import Entry, Kind
from chat_service.model.ids import SYSTEM_SENDER

START = 1_800_000_000_000


class Days:
    """A clock that stands at a day."""

    def __init__(self) -> None:
        self.now_ms = START

    def at(self, day: float) -> None:
        self.now_ms = START + int(day * DAY_MS)


@asynccontextmanager
async def world(folder: Path, most_days: int = 0) -> AsyncIterator[tuple[Backstage, RetentionJob, Days]]:
    """A store without running jobs, and a job of retention on it; both by a clock of days."""
    days = Days()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(app, "_clock_ms", lambda: days.now_ms)
        async with backstage(folder, working=False) as at:
            yield at, _job(at, days, most_days), days


def _job(at: Backstage, days: Days, most_days: int) -> RetentionJob:
    stores = at.heart.stores
    return RetentionJob(
        at.heart.rooms,
        stores.log,
        stores.rooms,
        stores.cursors,
        most_days=most_days,
        clock_ms=lambda: days.now_ms,
    )


async def due(job: RetentionJob) -> list[str]:
    return [work.room async for works in job.due() for work in works]


async def run(job: RetentionJob, room: str) -> None:
    assert await job.run(Work(job.name, "", room), asyncio.Event()) is None


async def keep(at: Backstage, room: str, days: int) -> None:
    await at.heart.rooms.act(at.ann.user, room, Kind.SETTINGS, {"retention_days": days})


async def log_of(at: Backstage, room: str) -> list[Entry]:
    return await at.heart.stores.log.read(room, 0, 1000)


async def texts(at: Backstage, room: str) -> list[str | None]:
    """What the messages say in the store itself, None where nothing is left."""
    return [entry.body.get("text") for entry in await log_of(at, room) if entry.kind is Kind.MESSAGE]


async def retained(at: Backstage, room: str) -> list[Entry]:
    return [entry for entry in await log_of(at, room) if entry.kind is Kind.RETAIN]


async def test_messages_go_when_they_are_older_than_their_room_keeps_them(tmp_path: Path) -> None:
    async with world(tmp_path) as (at, job, days):
        room, other = await at.room(), await at.room()
        await keep(at, room, 7)
        for day in range(10):
            days.at(day)
            await at.say(room, f"day {day}")
            await at.say(other, f"day {day}")
        days.at(9.5)
        assert await due(job) == [room]
        await run(job, room)
        kept = [f"day {day}" for day in range(3, 10)]
        assert await texts(at, room) == [None, None, None, *kept]
        assert await texts(at, other) == [f"day {day}" for day in range(10)]
        (entry,) = await retained(at, room)
        assert entry.sender == SYSTEM_SENDER
        upto = entry.body["upto"]
        assert [one.body.get("text") for one in await log_of(at, room) if one.seq == upto + 1] == ["day 3"]


async def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as (at, job, days):
        room = await at.room()
        await keep(at, room, 1)
        await at.say(room, "old")
        days.at(5)
        await run(job, room)
        length = len(await log_of(at, room))
        for day in (5.1, 9, 30, 400):
            days.at(day)
            await run(job, room)
            await run(_job(at, days, 0), room)
        assert len(await log_of(at, room)) == length


async def test_the_settings_of_the_service_hold_for_every_room_and_the_shorter_time_counts(tmp_path: Path) -> None:
    async with world(tmp_path, most_days=5) as (at, job, days):
        plain, shorter, longer = await at.room(), await at.room(), await at.room()
        await keep(at, shorter, 2)
        await keep(at, longer, 50)
        rooms = (plain, shorter, longer)
        for day in range(8):
            days.at(day)
            for room in rooms:
                await at.say(room, str(day))
        days.at(7.5)
        assert sorted(await due(job)) == sorted(rooms)
        assert await due(job) == []  # not before an hour has passed
        for room in rooms:
            await run(job, room)
        left = {room: [text for text in await texts(at, room) if text] for room in rooms}
        assert left == {plain: list("34567"), shorter: list("67"), longer: list("34567")}


async def test_a_room_that_keeps_everything_again_loses_nothing_more(tmp_path: Path) -> None:
    async with world(tmp_path) as (at, job, days):
        room = await at.room()
        await keep(at, room, 1)
        await at.say(room, "old")
        await keep(at, room, 0)
        days.at(100)
        assert await due(job) == []
        await run(job, room)
        assert await texts(at, room) == ["old"]


async def test_edits_and_files_go_with_their_message(tmp_path: Path) -> None:
    async with world(tmp_path) as (at, job, days):
        room = await at.room()
        await keep(at, room, 3)
        old, young = (await at.say(room, "old"))[0], 0
        days.at(4)
        young = (await at.say(room, "young"))[0]
        await at.heart.rooms.act(at.ann.user, room, Kind.EDIT, {"text": "edited late"}, target=old)
        await run(job, room)
        left = [entry.body for entry in await log_of(at, room) if entry.kind in {Kind.MESSAGE, Kind.EDIT}]
        assert left == [{}, {"text": "young"}, {}]
        history = await at.heart.rooms.browsing.messages(at.ann.user, room, [old, young])
        assert [message.body for message in history] == [{"text": "young"}]


async def test_what_was_written_while_a_clock_was_wrong_is_as_old_as_its_neighbours(tmp_path: Path) -> None:
    async with world(tmp_path) as (at, job, days):
        room = await at.room()
        await keep(at, room, 3)
        days.at(1)
        await at.say(room, "one")
        days.at(1000)
        await at.say(room, "from the future")
        days.at(2)
        await at.say(room, "two")
        days.at(3)
        await at.say(room, "three")
        # A young one before old ones stops it, whatever comes behind: too late is better than too early.
        await at.say(room, "three, again")
        days.at(1)
        await at.say(room, "from the past")
        days.at(5.5)
        await run(job, room)
        assert await texts(at, room) == [None, None, None, "three", "three, again", "from the past"]


async def test_what_a_stop_interrupted_is_done_by_the_next(tmp_path: Path) -> None:
    async with world(tmp_path) as (at, job, days):
        room = await at.room()
        await keep(at, room, 1)
        await at.say(room, *(str(number) for number in range(20)))
        days.at(5)
        stopping = asyncio.Event()
        stopping.set()
        assert await job.run(Work(job.name, "", room), stopping) == 0.0
        assert await retained(at, room) == []
        await run(job, room)
        assert set(await texts(at, room)) == {None}


async def test_the_index_of_searches_follows(tmp_path: Path) -> None:
    async with world(tmp_path) as (at, job, days):
        room = await at.room()
        await keep(at, room, 1)
        await at.say(room, "forgotten")
        indexer = at.heart.indexer
        await indexer.index(room)
        days.at(5)
        await run(job, room)
        await indexer.index(room)
        store = at.heart.stores.file
        assert store is not None
        assert await store.read(lambda db: db.execute("SELECT text FROM texts").fetchall()) == []
