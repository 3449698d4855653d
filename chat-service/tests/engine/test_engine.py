"""The engine as its neighbours see it: what it keeps of aiohttp, faults above it, bounds that contradict."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from engine_clients import Http, until
from engine_service import echoing
from structlog.testing import capture_logs

from chat_service.engine import Engine, Limits, Reason, Session, State


async def test_aiohttp_keeps_nothing_of_a_websocket() -> None:
    engine = Engine()
    app = web.Application()
    engine.attach(app, "engine.io")
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/engine.io/"
    assert runner.server is not None
    before = len(asyncio.all_tasks())
    async with aiohttp.ClientSession() as session:
        async with Http(session).websocket(url), Http(session).websocket(url):
            await until(lambda: not runner.server.connections)
            assert len(engine.sessions) == 2
            assert len(asyncio.all_tasks()) == before
        await until(lambda: not engine.sessions)
    await engine.shutdown()
    await runner.cleanup()


@pytest.mark.parametrize("event", ["connect", "message", "drain", "disconnect"])
async def test_fault_above_ends_its_session_and_no_other(http: Http, event: str) -> None:
    limits = Limits(high_water=2_000, low_water=1_000, close_timeout=0.05)
    async with echoing(limits) as running, http.websocket(running.url) as good:
        await good.receive()
        engine = running.engine
        handler = engine._handlers.get(event, lambda *_: None)

        def fails(_session: Session, *_details: Any) -> None:
            engine.on(event, handler)
            raise RuntimeError("a fault above")

        engine.on(event, fails)
        with capture_logs() as logs:
            sid = await http.open(running.url)
            if event == "message":
                assert (await http.post(running.url, sid, "4x"))[0] == 200
            elif event == "drain":
                await http.post(running.url, sid, "4" + "x" * 3_000)
                await http.poll(running.url, sid)
                await http.poll(running.url, sid)
            elif event == "disconnect":
                await http.post(running.url, sid, "1")
            await until(lambda: len(engine.sessions) == 1)
        assert [entry["log_level"] for entry in logs] == ["error"]
        if event != "disconnect":
            assert running.ended == [(sid, Reason.SERVER_ERROR)]
        await good.send("4fine")
        assert await good.receive() == "4fine"


def test_bounds_that_contradict_are_refused() -> None:
    with pytest.raises(ValueError, match="in this order"):
        Limits(low_water=2, high_water=1)
    with pytest.raises(ValueError, match="above zero"):
        Limits(max_payload=0)
    with pytest.raises(ValueError, match="async_handlers"):
        Engine(async_handlers=True)


async def test_there_are_no_ways_between_states_but_the_listed(http: Http) -> None:
    async with echoing() as running:
        await http.open(running.url)
        with pytest.raises(RuntimeError, match="polling to websocket"):
            running.session._move(State.WEBSOCKET)


async def test_what_the_library_calls(http: Http) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        engine = running.engine
        assert engine.transport(sid) == "polling"
        await engine.send(sid, b"\x01")
        await engine.disconnect(sid)
        assert await http.packets(running.url, sid) == ["bAQ=="]
        assert await http.packets(running.url, sid) == ["1"]
        await engine.send(sid, "nobody")
        await engine.disconnect(sid)
        with pytest.raises(KeyError):
            engine.transport(sid)
        assert running.ended == [(sid, Reason.SERVER_DISCONNECT)]


async def test_origin_that_is_no_url_is_refused(http: Http, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with echoing() as running:
        query = {"EIO": "4", "transport": "polling"}
        async with http.session.get(running.url, params=query, headers={"Origin": "http://[bad"}) as response:
            assert response.status == 403
    assert not caplog.records
