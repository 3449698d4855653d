"""Slow readers: what is queued is counted and bounded, their sockets are not read, their time is limited."""

from __future__ import annotations

import asyncio
import socket as sockets

import pytest
from engine_clients import Http, frame, raw_websocket, read_frame, until
from engine_service import Running, echoing

from chat_service.engine import Frames, Limits, Reason, Session, State

SMALL = Limits(high_water=64_000, low_water=16_000, hard_limit=256_000, close_timeout=0.2)
PIECE = Frames((b"4" + b"x" * 9_999,))


def shrink(writer: asyncio.StreamWriter, session: Session) -> None:
    """Make the kernel hold little for this connection, so that the server's own queue shows."""
    writer.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    out = session._out
    assert out is not None
    transport = out._transport  # type: ignore[union-attr]
    assert transport is not None
    transport.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, 4096)


async def fill(session: Session) -> int:
    """Write until the session is congested; return how often."""
    times = 0
    while not session.congested:
        session.write(PIECE)
        times += 1
        assert times < 2_000
        await asyncio.sleep(0)
    return times


async def test_websocket_that_stops_reading_is_congested_and_then_drains() -> None:
    async with (
        echoing(SMALL, echo=False) as running,
        raw_websocket(running.port, running.path) as (reader, writer),
    ):
        await read_frame(reader)
        session = running.session
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        shrink(writer, session)
        times = await fill(session)
        assert SMALL.high_water < session.queued_bytes <= SMALL.hard_limit
        assert (running.engine.counts.congested, running.engine.counts.congestions) == (1, 1)
        writer.write(frame(1, b"4not read while congested"))
        await asyncio.sleep(0.1)
        assert running.messages == []
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(times):
            assert len((await read_frame(reader))[1]) == 10_000
        await until(lambda: running.messages == ["not read while congested"])
        assert running.drained == [session.id]
        assert not session.congested
        assert running.engine.counts.congested == 0


async def test_websocket_that_never_reads_is_cut_at_the_hard_limit() -> None:
    async with echoing(SMALL) as running, raw_websocket(running.port, running.path) as (reader, writer):
        await read_frame(reader)
        session = running.session
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        shrink(writer, session)
        most = 0
        ended_while_writing = False
        for _ in range(5_000):
            session.write(PIECE)
            ended_while_writing |= session.has_ended
            most = max(most, session.queued_bytes)
        assert not ended_while_writing
        await until(lambda: running.ended == [(session.id, Reason.SLOW_READER)])
        assert most <= SMALL.hard_limit + len(PIECE.wire)
        await until(lambda: not running.engine.sessions)
        assert running.engine.counts.congested == 0


async def test_slow_reader_is_closed_after_its_time() -> None:
    limits = Limits(high_water=64_000, low_water=16_000, slow_reader_timeout=0.3)
    async with echoing(limits) as running, raw_websocket(running.port, running.path) as (reader, writer):
        await read_frame(reader)
        session = running.session
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        shrink(writer, session)
        await fill(session)
        await asyncio.sleep(0.15)
        assert running.ended == []
        await until(lambda: running.ended == [(session.id, Reason.SLOW_READER)], 1)


async def test_reader_that_makes_progress_is_left_its_time() -> None:
    async with (
        echoing(SMALL) as running,
        raw_websocket(running.port, running.path) as (reader, writer),
    ):
        await read_frame(reader)
        session = running.session
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        shrink(writer, session)
        await fill(session)
        reader._limit = 1024  # type: ignore[attr-defined]
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        before = session.queued_bytes
        while session.queued_bytes > before - SMALL.high_water // 8:
            await asyncio.wait_for(reader.readexactly(1_000), 5)
        # Its time is up twice: the first time it has made progress, the second time it has not.
        session.still_slow()
        assert session.congested
        assert running.ended == []
        session.still_slow()
        assert running.ended == [(session.id, Reason.SLOW_READER)]


async def test_flood_of_pings_without_reading_is_bounded() -> None:
    async with echoing(SMALL) as running, raw_websocket(running.port, running.path) as (reader, writer):
        await read_frame(reader)
        session = running.session
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        shrink(writer, session)
        for _ in range(40):
            writer.write(frame(9, b"x" * 125) * 500)
            await asyncio.sleep(0.002)
        await until(lambda: session.congested)
        assert session.queued_bytes < SMALL.hard_limit


async def test_poller_that_never_polls_is_bounded(http: Http) -> None:
    async with echoing(SMALL) as running:
        sid = await http.open(running.url)
        session = running.session
        for _ in range(100):
            session.write(PIECE)
        assert (
            SMALL.hard_limit < session.queued_bytes <= SMALL.hard_limit + len(PIECE.payload)
            or session._out is None
        )
        await until(lambda: running.ended == [(sid, Reason.SLOW_READER)])
        assert not running.engine.sessions
        assert (await http.poll(running.url, sid))[0] == 400


async def test_poller_that_is_behind_is_not_read_from_until_it_polls(http: Http) -> None:
    async with echoing(SMALL, echo=False) as running:
        sid = await http.open(running.url)
        session = running.session
        await fill(session)
        post = asyncio.create_task(http.post(running.url, sid, "4waits"))
        await asyncio.sleep(0.1)
        assert not post.done()
        assert running.messages == []
        assert len(await http.packets(running.url, sid)) == 7
        poll = asyncio.create_task(http.poll(running.url, sid))
        assert await post == (200, "ok")
        assert running.drained == [sid]
        session.write(PIECE)
        assert (await poll)[0] == 200


async def test_poller_that_is_behind_for_too_long_is_closed(http: Http) -> None:
    limits = Limits(high_water=64_000, low_water=16_000, slow_reader_timeout=0.2)
    async with echoing(limits) as running:
        sid = await http.open(running.url)
        await fill(running.session)
        post = asyncio.create_task(http.post(running.url, sid, "4waits"))
        await until(lambda: running.ended == [(sid, Reason.SLOW_READER)], 1)
        assert (await post)[0] == 400


async def test_answer_that_is_not_read_counts_and_bars_another_poll(http: Http) -> None:
    async with echoing(Limits(high_water=20_000_000, hard_limit=40_000_000)) as running:
        sid = await http.open(running.url)
        session = running.session
        session.write(Frames((b"4" + b"x" * 16_000_000,)))
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        query = f"EIO=4&transport=polling&sid={sid}"
        writer.write(f"GET /{running.path}/?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)
        assert session.queued_bytes > 1_000_000
        assert (await http.poll(running.url, sid))[0] == 400
        assert running.ended == [(sid, Reason.TRANSPORT_ERROR)]
        writer.transport.abort()


async def test_congested_poller_that_upgrades_drains_on_the_websocket(http: Http) -> None:
    async with echoing(SMALL) as running:
        sid = await http.open(running.url)
        session = running.session
        times = await fill(session)
        async with http.websocket(running.url, sid) as socket:
            await socket.send("2probe")
            assert await socket.receive() == "3probe"
            await socket.send("5")
            for _ in range(times):
                assert len(await socket.receive()) == 10_000
            await until(lambda: running.drained == [sid])
            assert session.state is State.WEBSOCKET
            await socket.send("4hello")
            assert await socket.receive() == "4hello"


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_reading_can_be_paused_from_above(http: Http, transport: str) -> None:
    async with echoing(echo=False) as running:
        if transport == "polling":
            sid = await http.open(running.url)
            await _pauses(running, http.post(running.url, sid, "\x1e".join(f"4{n}" for n in range(50))))
        else:
            async with http.websocket(running.url) as socket:
                await _pauses(running, socket.send(*(f"4{n}" for n in range(50))))


async def _pauses(running: Running, sending: object) -> None:
    session = running.session
    message = running.engine._handlers["message"]

    def first_ten(session: Session, data: str) -> None:
        message(session, data)
        if data == "9":
            session.pause_reading()
            session.pause_reading()

    running.engine.on("message", first_ten)
    task = asyncio.ensure_future(sending)  # type: ignore[call-overload]
    await asyncio.sleep(0.1)
    assert running.messages == [str(number) for number in range(10)]
    session.resume_reading()
    await asyncio.sleep(0.05)
    assert len(running.messages) == 10
    session.resume_reading()
    await until(lambda: running.messages == [str(number) for number in range(50)])
    await task


async def test_pong_that_was_not_read_is_not_missed(http: Http) -> None:
    limits = Limits(ping_interval=0.1, ping_timeout=0.1, close_timeout=0.1)
    async with echoing(limits) as running, http.websocket(running.url) as socket:
        await socket.receive()
        session = running.session
        session.pause_reading()
        assert await socket.receive() == "2"
        await socket.send("3")
        await asyncio.sleep(0.35)
        assert running.ended == []
        session.resume_reading()
        assert await socket.receive() == "2"
