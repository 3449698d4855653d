"""After a store is put back from an older copy, no client goes on from something that is not there any more."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from checked_client import CheckedClient
from crowd import Crowd, gathered
from history import History, Opening
from history_checker import assert_sound
from service_process import MakePlace, ServiceProcess, StartService, run_command

DATABASE = "chat.db"
COPIED, LOST = 20, 10
"""Messages of each room that are in the copy, and that were written after it."""


def _copy(data_dir: Path, copy: Path) -> None:
    """Copy the database while it is in use, as a backup does."""
    source, target = sqlite3.connect(data_dir / DATABASE), sqlite3.connect(copy)
    source.backup(target)
    source.close()
    target.close()


def _put_back(copy: Path, data_dir: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        (data_dir / (DATABASE + suffix)).unlink(missing_ok=True)
    (data_dir / DATABASE).write_bytes(copy.read_bytes())


async def _say(client: CheckedClient, room: str, words: str, count: int) -> None:
    await asyncio.gather(*(client.post(room, f"{words} {number}") for number in range(count)))


async def _lose_the_newest(crowd: Crowd, process: ServiceProcess, copy: Path, changed: list[str]) -> None:
    """Fill the rooms, copy the store, write more to `changed`, and stop with the copy in the store's place."""
    first = crowd.clients[0]
    for room in crowd.rooms:
        await _say(first, room, "kept", COPIED)
    _copy(process.place.data_dir, copy)
    for room in changed:
        await _say(first, room, "lost", LOST)
    await crowd.settled()
    for client in crowd.clients:
        await client.stay_away()
    process.terminate()
    assert await process.ended(10) == 0
    _put_back(copy, process.place.data_dir)


def _since_the_last_reset(history: History) -> History:
    """What of a history is about the store as it is now: what each client was told since it began anew."""
    recent = History(complaints=history.complaints)
    for (client, room), stream in history.streams.items():
        resets = [place for place, step in enumerate(stream.steps) if isinstance(step, Opening) and step.reset]
        recent.stream(client, room).steps = stream.steps[resets[-1] :]
    return recent


@pytest.mark.parametrize("said", [True, False], ids=["with a new epoch", "in place"])
async def test_clients_start_over_after_a_restore(
    make_place: MakePlace, start_service: StartService, tmp_path: Path, said: bool
) -> None:
    place = make_place(CHAT_DRAIN_NOTICE_S="0", CHAT_DRAIN_CLOSE_S="0")
    process = start_service(place)
    await process.ready()
    async with gathered(place.url, people=2, rooms=4) as crowd:
        shorter, equal, longer, same = crowd.rooms
        await crowd.connect(2, polling=1)
        await _lose_the_newest(crowd, process, tmp_path / "copy.db", [shorter, equal, longer])
        if said:
            assert "incarnation" in await run_command(place, "admin", "restored")
        second = start_service(place)
        await second.ready()
        for room, count in ((equal, LOST), (longer, 2 * LOST)):
            for number in range(count):
                await crowd.people[1].say(room, f"new {number}")
        for client in crowd.clients:
            await client.come_back()
        await _say(crowd.clients[0], same, "after", 1)
        logs = await crowd.settled()
        for client in crowd.clients:
            for room in crowd.rooms:
                resets = len(crowd.history.streams[client.name, room].resets)
                # What is the same in both logs may go on, unless the epoch says that nobody can know.
                assert resets == (1 if room == same and not said else 2), (client.name, crowd.rooms.index(room))
        everyone = {client.name for client in crowd.clients}
        assert_sound(_since_the_last_reset(crowd.history), logs, complete=everyone)


async def test_a_room_that_the_copy_lacks_is_gone(
    make_place: MakePlace, start_service: StartService, tmp_path: Path
) -> None:
    place = make_place(CHAT_DRAIN_NOTICE_S="0", CHAT_DRAIN_CLOSE_S="0")
    process = start_service(place)
    await process.ready()
    async with gathered(place.url, people=1, rooms=1) as crowd:
        await crowd.connect(1)
        _copy(place.data_dir, tmp_path / "copy.db")
        young = await crowd.people[0].make_room()
        client = crowd.clients[0]
        await client.open(young)
        await client.stay_away()
        process.terminate()
        assert await process.ended(10) == 0
        _put_back(tmp_path / "copy.db", place.data_dir)
        second = start_service(place)
        await second.ready()
        await client.come_back()
        async with asyncio.timeout(5):
            await client.room(young).live.wait()
        refused = client.room(young).refused
        assert refused is not None
        assert refused["code"] == "not_found"
        await crowd.assert_sound()
