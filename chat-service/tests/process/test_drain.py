"""A process that is told to leave does so cleanly: nobody loses anything, and it ends in time (P7)."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from checked_client import CheckedClient
from crowd import Crowd, gathered
from engine_transports import HandshakeRefusedError, PollingTransport, WebSocketTransport
from eventually import eventually
from rest_people import Person
from service_process import MakePlace, Place, StartService, free_port, metrics_of

STOP_S = 8
SHORT_DRAIN = {"CHAT_DRAIN_NOTICE_S": "1", "CHAT_DRAIN_CLOSE_S": "1.5", "CHAT_STOP_TIMEOUT_S": str(STOP_S)}
LONG_DRAIN = {"CHAT_DRAIN_NOTICE_S": "60", "CHAT_DRAIN_CLOSE_S": "60", "CHAT_STOP_TIMEOUT_S": "180"}


async def _status(url: str) -> int:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return answer.status


async def _until_refused(place: Place, open_transport: Any) -> HandshakeRefusedError:
    """Open sessions until one is refused."""
    async with asyncio.timeout(5):
        while True:
            try:
                transport = await open_transport(place.url)
            except HandshakeRefusedError as refusal:
                return refusal
            await transport.close()
            await asyncio.sleep(0.02)


async def _served_during_the_notice(place: Place, crowd: Crowd) -> None:
    """Readiness fails, and everything else is as ever."""

    async def unready() -> bool:
        return await _status(f"{place.url}/readyz") == 503

    await eventually(unready, 0.5)
    assert await _status(f"{place.url}/livez") == 200
    assert (await metrics_of(place))["chat_draining"] == 1
    late = CheckedClient(crowd.people[0], crowd.history, "late")
    await late.start()
    await asyncio.gather(*(late.open(room) for room in crowd.rooms))
    await late.say(crowd.rooms[0], "still here")
    await crowd.people[1].say(crowd.rooms[1], "over REST as well")
    crowd.clients.append(late)


async def test_a_drain_under_load_loses_and_repeats_nothing(
    make_place: MakePlace, start_service: StartService, seed: int
) -> None:
    place = make_place(**SHORT_DRAIN)
    process = start_service(place)
    await process.ready()
    async with gathered(place.url, people=3, rooms=2) as crowd:
        await crowd.connect(6, polling=2)
        crowd.talk(seed)
        await asyncio.sleep(0.3)
        told = time.monotonic()
        process.terminate()
        await _served_during_the_notice(place, crowd)
        for open_transport in (WebSocketTransport.open, PollingTransport.open):
            refusal = await _until_refused(place, open_transport)
            assert refusal.status == 503
            assert float(refusal.retry_after or 0) > 0
        closing = time.monotonic()
        assert await process.ended(told + STOP_S - time.monotonic()) == 0
        second = start_service(place)
        await second.ready()
        await crowd.assert_sound()
        for client in crowd.clients:
            (notice,) = crowd.history.notices_of(client.name, "draining")
            assert notice.payload == {"kind": "draining", "reconnect_after_ms": 0, "jitter_ms": 1500}
        assert any(ack.at > closing for sent in crowd.history.sends for ack in sent.acks if sent.attempts == [1])
        assert max(link.number for link in crowd.history.links) == 2


@pytest.mark.parametrize("signals", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT,)])
async def test_a_drain_can_be_hurried(
    make_place: MakePlace, start_service: StartService, seed: int, signals: tuple[signal.Signals, ...]
) -> None:
    place = make_place(**LONG_DRAIN)
    process = start_service(place)
    await process.ready()
    async with gathered(place.url, people=2, rooms=1) as crowd:
        await crowd.connect(3, polling=1)
        crowd.talk(seed)
        await asyncio.sleep(0.2)
        for number in signals:
            process.signal(number)
            await asyncio.sleep(0.1)
        assert await process.ended(5) == 0
        await start_service(place).ready()
        await crowd.assert_sound()


async def test_a_drain_does_not_wait_for_a_client_that_is_stuck(
    make_place: MakePlace, start_service: StartService
) -> None:
    place = make_place(**SHORT_DRAIN, CHAT_SLOW_READER_TIMEOUT_S="60")
    # It asks for pages and takes none: that they stay unanswered is said.
    process = start_service(place, warns={"session closed with events unanswered"})
    await process.ready()
    async with gathered(place.url, people=2, rooms=1) as crowd:
        await crowd.connect(1)
        room = crowd.rooms[0]
        stuck = CheckedClient(crowd.people[1], crowd.history, "stuck", receive_buffer=65_536)
        await stuck.start()
        await stuck.open(room)
        stuck.stop_reading()
        for number in range(1_500):
            crowd.clients[0].post(room, f"{number} " + "x" * 7_900)
            stuck.ask_for("room:history", {"room": room, "before": 2_000, "limit": 200}, lambda _: None)
        await crowd.clients[0].settled()
        process.terminate()
        assert await process.ended(STOP_S) == 0
        await stuck.vanish()
        await start_service(place).ready()
        await crowd.assert_sound()


async def test_one_process_serves_a_folder(make_place: MakePlace, start_service: StartService) -> None:
    place = make_place()
    process = start_service(place)
    await process.ready()
    second = start_service(replace(place, port=free_port(), metrics_port=free_port()), serves=False)
    assert await second.ended(10) == 1
    assert "in use" in second.log_text()
    async with Person(place.url) as person:
        await person.register()


async def test_a_taken_port_is_said_plainly(make_place: MakePlace, start_service: StartService) -> None:
    place = make_place()
    process = start_service(place)
    await process.ready()
    other = replace(place, data_dir=place.data_dir / "other", metrics_port=free_port())
    second = start_service(other, serves=False)
    assert await second.ended(10) == 1
    assert str(place.port) in second.log_text()
