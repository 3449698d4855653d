"""Clients that do not read cost a bounded amount of memory, and nobody else anything (P5)."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from checked_client import CheckedClient
from crowd import Crowd, gathered
from engine_transports import WebSocketTransport
from eventually import eventually
from memory_watch import MemoryWatch
from service_process import MakePlace, Place, StartService, metrics_of

MIB = 1024 * 1024
LINE = "x" * 7_990
MESSAGES = 13_000  # about 100 MB
BOUND = 40 * MIB
"""How much the process may grow beyond what it had when everybody read."""

SMALL_BUFFER = 64 * 1024
"""What the kernel takes for a client that does not read: the rest has to wait in the server."""


async def _pour(client: CheckedClient, room: str, count: int) -> None:
    """Write `count` long messages, some at a time."""
    for first in range(0, count, 500):
        posts = [client.post(room, f"{number} {LINE}") for number in range(first, min(first + 500, count))]
        await asyncio.gather(*posts)


async def _warm_up(crowd: Crowd) -> None:
    """Bring the process to the size it has with everybody reading."""
    await _pour(crowd.clients[0], crowd.rooms[0], 2_000)
    for client in crowd.clients:
        await client.reaches(crowd.rooms[0], 2_000)


@pytest.mark.parametrize(("resume_most", "count"), [("1000000", MESSAGES), ("1000", MESSAGES // 3)])
async def test_a_client_that_stops_reading_is_cut_and_caught_up(
    make_place: MakePlace, start_service: StartService, resume_most: str, count: int
) -> None:
    place = make_place(CHAT_SLOW_READER_TIMEOUT_S="120", CHAT_RESUME_MAX_ENTRIES=resume_most)
    process = start_service(place, measured=False)  # measuring it takes longer than all the rest
    await process.ready()
    async with gathered(place.url, people=1, rooms=1) as crowd:
        await crowd.connect(2)
        await _warm_up(crowd)
        slow = CheckedClient(crowd.people[0], crowd.history, "slow", receive_buffer=SMALL_BUFFER)
        crowd.clients.append(slow)
        await slow.start()
        await slow.open(crowd.rooms[0])
        slow.stop_reading()
        async with MemoryWatch(process.pid) as memory:
            await _pour(crowd.clients[0], crowd.rooms[0], count)
            slow.go_on_reading()
            await crowd.settled()
        print(f"grew by {memory.grown / MIB:.1f} MiB")
        assert memory.grown < BOUND
        await crowd.assert_sound()
        samples = await metrics_of(place)
        assert samples["chat_slow_readers_total"] >= 1
        told_to_start_over = bool(crowd.history.notices_of("slow", "resync"))
        assert told_to_start_over == (resume_most == "1000")
        assert len(crowd.history.streams["slow", crowd.rooms[0]].resets) == 1 + told_to_start_over
        for fast in ("c0", "c1"):
            assert len(crowd.history.streams[fast, crowd.rooms[0]].openings) == 1


async def test_a_client_that_never_reads_again_is_disconnected(
    make_place: MakePlace, start_service: StartService
) -> None:
    place = make_place(CHAT_SLOW_READER_TIMEOUT_S="1")
    process = start_service(place)
    await process.ready()
    async with gathered(place.url, people=1, rooms=1) as crowd:
        await crowd.connect(2)
        await _warm_up(crowd)
        slow = CheckedClient(crowd.people[0], crowd.history, "slow", receive_buffer=SMALL_BUFFER)
        await slow.start()
        await slow.open(crowd.rooms[0])
        slow.stop_reading()
        async with MemoryWatch(process.pid) as memory:
            await _pour(crowd.clients[0], crowd.rooms[0], 3_000)
            await _connections(place, 2, within_s=10)
        print(f"grew by {memory.grown / MIB:.1f} MiB")
        assert memory.grown < BOUND
        await slow.vanish()
        await crowd.assert_sound()


async def test_a_client_that_asks_for_history_and_never_reads(
    make_place: MakePlace, start_service: StartService
) -> None:
    place = make_place(CHAT_SLOW_READER_TIMEOUT_S="3")
    process = start_service(place)
    await process.ready()
    async with gathered(place.url, people=1, rooms=1) as crowd:
        await crowd.connect(2)
        await _warm_up(crowd)
        room = crowd.rooms[0]
        greedy = CheckedClient(crowd.people[0], crowd.history, "greedy", receive_buffer=SMALL_BUFFER)
        await greedy.start()
        page = await greedy.ask("room:history", {"room": room, "before": 1_900, "limit": 200})
        assert page["ok"]
        assert len(page["messages"]) > 0
        greedy.stop_reading()
        async with MemoryWatch(process.pid) as memory:
            for _ in range(5_000):
                greedy.ask_for("room:history", {"room": room, "before": 1_900, "limit": 200}, lambda _: None)
            for number in range(20):
                await crowd.clients[0].say(room, f"nobody minds {number}")
                await asyncio.sleep(0.1)
            await _connections(place, 2, within_s=15)
        print(f"grew by {memory.grown / MIB:.1f} MiB")
        assert memory.grown < BOUND
        await greedy.vanish()
        await crowd.assert_sound()


async def test_a_polling_client_that_never_polls(make_place: MakePlace, start_service: StartService) -> None:
    place = make_place(CHAT_SLOW_READER_TIMEOUT_S="1")
    process = start_service(place)
    await process.ready()
    async with gathered(place.url, people=1, rooms=1) as crowd:
        await crowd.connect(2)
        await _warm_up(crowd)
        lazy = CheckedClient(crowd.people[0], crowd.history, "lazy", polling=True)
        await lazy.start()
        await lazy.open(crowd.rooms[0])
        lazy.stop_reading()
        async with MemoryWatch(process.pid) as memory:
            await _pour(crowd.clients[0], crowd.rooms[0], 3_000)
            await _connections(place, 2, within_s=10)
        print(f"grew by {memory.grown / MIB:.1f} MiB")
        assert memory.grown < BOUND
        lazy.go_on_reading()
        crowd.clients.append(lazy)
        await crowd.assert_sound()


async def _legacy_client(place: Place, receive_buffer: int = 0) -> WebSocketTransport:
    """A client of the original protocol that has joined a room."""
    transport = await WebSocketTransport.open(place.url, receive_buffer=receive_buffer)
    await transport.send(["40"])
    await transport.send(['42["join-room",{"roomId":"hall","username":"' + f"reads {receive_buffer}" + '"}]'])
    while not (await transport.receive())[0].startswith('42["room-joined"'):
        pass
    return transport


async def test_a_client_of_the_original_protocol_that_read_too_slowly_hears_again(
    make_place: MakePlace, start_service: StartService
) -> None:
    place = make_place(CHAT_RESUME_MAX_ENTRIES="100", CHAT_SLOW_READER_TIMEOUT_S="60")
    process = start_service(place)
    await process.ready()
    slow, fast = await _legacy_client(place, SMALL_BUFFER), await _legacy_client(place)

    async def say(text: str) -> None:
        await fast.send(['42["event:message",{"roomId":"hall","username":"reads 0","message":"' + text + '"}]'])
        while text not in (await fast.receive())[0]:
            pass

    for number in range(2_000):
        await say(f"{number} {LINE}")
    assert (await metrics_of(place))["chat_slow_readers_total"] >= 1
    heard = ""
    async with asyncio.timeout(10):
        while "finally" not in heard:
            speaking = asyncio.create_task(say("finally"))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    while "finally" not in heard:
                        (heard,) = await slow.receive()
            await speaking
    await slow.close()
    await fast.close()


async def _connections(place: Place, count: int, within_s: float) -> None:
    """Wait until the service has so many connections."""

    async def so_many() -> bool:
        return (await metrics_of(place))["chat_connections"] == count

    await eventually(so_many, within_s, every_s=0.1)
