"""The long-polling transport: messages both ways, what ends a session, heartbeats."""

from __future__ import annotations

import asyncio
import time

import pytest
from engine_clients import Http, until
from engine_service import QUICK, echoing

from chat_service.engine import Limits, Reason


@pytest.mark.parametrize(
    "payload",
    ["4hello", "4a\x1e4b\x1e4c", "4hello\x1ebAQIDBA==", "4", "4\u20ac \U0001f600"],
)
async def test_messages_come_back_in_order(http: Http, payload: str) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        assert await http.post(running.url, sid, payload) == (200, "ok")
        assert await http.poll(running.url, sid) == (200, payload)


async def test_waiting_poll_is_answered_with_all_of_one_turn(http: Http) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        poll = asyncio.create_task(http.packets(running.url, sid))
        await asyncio.sleep(0.05)
        await http.post(running.url, sid, "4a\x1e4b\x1e4c")
        assert await poll == ["4a", "4b", "4c"]


@pytest.mark.parametrize(
    "payload", [b"abc", b"", b"4ok\x1e9no", b"4ok\x1e", b"0{}", b"bA", b"b$$$$", b"\xff\xfe", b"\x1e", b"7"]
)
async def test_invalid_payload_is_refused_whole_and_ends_the_session(http: Http, payload: bytes) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        status, _ = await http.post(running.url, sid, payload)
        assert status == 400
        assert (await http.poll(running.url, sid))[0] == 400
        assert running.messages == []
        assert running.ended == [(sid, Reason.PARSE_ERROR)]


async def test_ping_from_the_client_ends_the_session(http: Http) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        assert (await http.post(running.url, sid, "2"))[0] == 400
        assert running.ended == [(sid, Reason.TRANSPORT_ERROR)]


async def test_packets_of_one_payload_are_bounded(http: Http) -> None:
    async with echoing(Limits(max_packets=10), echo=False) as running:
        sid = await http.open(running.url)
        assert (await http.post(running.url, sid, "\x1e".join(["4x"] * 10)))[0] == 200
        assert (await http.post(running.url, sid, "\x1e".join(["4x"] * 11)))[0] == 400
        assert len(running.messages) == 10


async def test_body_is_bounded(http: Http) -> None:
    async with echoing(Limits(max_payload=1000), echo=False) as running:
        sid = await http.open(running.url)
        assert (await http.post(running.url, sid, "4" + "x" * 999))[0] == 200
        assert (await http.post(running.url, sid, "4" + "x" * 1000))[0] == 413
        assert running.ended == [(sid, Reason.TRANSPORT_ERROR)]

        async def endless() -> None:
            query = {"EIO": "4", "transport": "polling", "sid": await http.open(running.url)}
            body = (part async for part in parts())
            async with http.session.post(running.url, params=query, data=body) as response:
                assert response.status == 413

        async def parts():  # type: ignore[no-untyped-def]
            for _ in range(30):
                yield b"4" + b"x" * 99

        await endless()


async def test_slow_body_is_given_up(http: Http) -> None:
    async with echoing(Limits(body_timeout=0.1)) as running:
        sid = await http.open(running.url)

        async def parts():  # type: ignore[no-untyped-def]
            yield b"4"
            await asyncio.sleep(0.4)
            yield b"x"

        query = {"EIO": "4", "transport": "polling", "sid": sid}
        async with http.session.post(running.url, params=query, data=parts()) as response:
            assert response.status == 400
        assert running.ended == [(sid, Reason.TRANSPORT_ERROR)]


async def test_two_polls_at_once_end_the_session(http: Http) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        first = asyncio.create_task(http.poll(running.url, sid))
        await asyncio.sleep(0.05)
        assert (await http.poll(running.url, sid))[0] == 400
        assert await first == (200, "1")
        assert (await http.poll(running.url, sid))[0] == 400
        assert running.ended == [(sid, Reason.TRANSPORT_ERROR)]


async def test_two_posts_at_once_end_the_session(http: Http) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        begun = asyncio.Event()

        async def parts():  # type: ignore[no-untyped-def]
            yield b"4slow"
            begun.set()
            await asyncio.sleep(0.2)
            yield b"er"

        query = {"EIO": "4", "transport": "polling", "sid": sid}
        first = asyncio.create_task(http.session.post(running.url, params=query, data=parts()))
        await begun.wait()
        await asyncio.sleep(0.05)
        assert (await http.post(running.url, sid, "4x"))[0] == 400
        async with await first as response:
            assert response.status == 400
        assert running.ended == [(sid, Reason.TRANSPORT_ERROR)]


async def test_close_by_the_client_lets_its_poll_go(http: Http) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        poll = asyncio.create_task(http.poll(running.url, sid))
        await asyncio.sleep(0.05)
        assert await http.post(running.url, sid, "4last\x1e1\x1e4never") == (200, "ok")
        assert await poll in [(200, "6"), (200, "4last\x1e6")]
        assert (await http.poll(running.url, sid))[0] == 400
        assert running.messages == ["last"]
        assert running.ended == [(sid, Reason.TRANSPORT_CLOSE)]


async def test_close_by_the_server_reaches_a_waiting_poll_after_what_is_queued(http: Http) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        poll = asyncio.create_task(http.packets(running.url, sid))
        await asyncio.sleep(0.05)
        await running.engine.send(sid, "bye")
        running.session.close(Reason.SERVER_SHUTDOWN)
        assert await poll == ["4bye"]
        assert await http.packets(running.url, sid) == ["1"]
        assert (await http.poll(running.url, sid))[0] == 400


async def test_close_by_the_server_waits_for_the_next_poll(http: Http) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        await http.post(running.url, sid, "4unread")
        running.session.close(Reason.SERVER_SHUTDOWN)
        assert running.ended == [(sid, Reason.SERVER_SHUTDOWN)]
        assert await http.post(running.url, sid, "4late") == (200, "ok")
        assert running.messages == ["unread"]
        assert await http.packets(running.url, sid) == ["4unread"]
        assert await http.packets(running.url, sid) == ["1"]
        assert not running.engine.sessions


async def test_close_by_the_server_is_not_waited_for_without_end(http: Http) -> None:
    async with echoing(QUICK) as running:
        await http.open(running.url)
        running.session.close(Reason.SERVER_SHUTDOWN)
        assert running.engine.sessions
        await until(lambda: not running.engine.sessions, 1)


async def test_pings_and_pongs(http: Http) -> None:
    async with echoing(QUICK) as running:
        sid = await http.open(running.url)
        started = time.monotonic()
        for _ in range(3):
            assert await http.packets(running.url, sid) == ["2"]
            assert (await http.post(running.url, sid, "3"))[0] == 200
        assert 0.85 < time.monotonic() - started < 1.5


async def test_ping_timeout_is_exact(http: Http) -> None:
    async with echoing(QUICK) as running:
        sid = await http.open(running.url)
        await asyncio.sleep(0.5)
        assert (await http.poll(running.url, sid))[0] == 400
        assert running.ended == [(sid, Reason.PING_TIMEOUT)]
        assert running.engine.counts.ended == {Reason.PING_TIMEOUT: 1}


async def test_poll_whose_client_has_gone_loses_nothing_and_ends_the_session(http: Http) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        poll = asyncio.create_task(http.poll(running.url, sid))
        await asyncio.sleep(0.05)
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)
        await asyncio.sleep(0.05)
        await running.engine.send(sid, "to nobody")
        await until(lambda: running.ended == [(sid, Reason.TRANSPORT_CLOSE)])
