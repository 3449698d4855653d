"""Handling events: in order, at once, acknowledged in the step that answers, bounded, never failing aloud."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from engine_clients import Http, WebSocketClient, until
from engine_service import RunningSockets, sockets

from chat_service.realtime.connection import Connection
from chat_service.realtime.peer import SocketLimits


@asynccontextmanager
async def connected(
    http: Http, limits: SocketLimits | None = None
) -> AsyncIterator[tuple[RunningSockets, WebSocketClient]]:
    """Serve, and connect one client to `/`."""
    async with sockets(socket_limits=limits) as running, http.websocket(running.url) as socket:
        await socket.receive()
        await socket.connect()
        await socket.receive()
        yield running, socket


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, "437[]"),
        ({"ok": True}, '437[{"ok":true}]'),
        ([1, 2], "437[[1,2]]"),
        ((1, "two"), '437[1,"two"]'),
        ((), "437[]"),
        (0, "437[0]"),
    ],
)
@pytest.mark.parametrize("how", ["plain", "future", "coroutine", "waiting"])
async def test_answers(http: Http, answer: object, expected: str, how: str) -> None:
    async def coroutine(_connection: Connection) -> object:
        if how == "waiting":
            await asyncio.sleep(0.01)
        return answer

    def future(_connection: Connection) -> object:
        made = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.01, made.set_result, answer)
        return made

    async with connected(http) as (running, socket):
        ways = {"plain": lambda _: answer, "future": future, "coroutine": coroutine, "waiting": coroutine}
        running.main.answers["ask"] = ways[how]
        await socket.send('427["ask"]')
        assert await socket.receive() == expected
        await socket.send('42["ask"]', '421["echo"]')
        assert await socket.receive() == "431[]"
        await until(lambda: not running.server._tasks)


@pytest.mark.parametrize("how", ["plain", "future", "cancelled", "coroutine", "waiting", "unencodable"])
async def test_failures_are_what_the_handler_makes_of_them(http: Http, how: str) -> None:
    def plain(_connection: Connection) -> object:
        raise KeyError("x")

    def future(_connection: Connection) -> object:
        made: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if how == "cancelled":
            made.cancel()
        else:
            made.set_exception(KeyError("x"))
        return made

    async def coroutine(_connection: Connection) -> object:
        if how == "waiting":
            await asyncio.sleep(0)
        raise KeyError("x")

    ways: dict[str, Any] = {
        "plain": plain,
        "future": future,
        "cancelled": future,
        "coroutine": coroutine,
        "waiting": coroutine,
        "unencodable": lambda _: object(),
    }
    error = {"cancelled": "CancelledError", "unencodable": "TypeError"}.get(how, "KeyError")
    async with connected(http) as (running, socket):
        running.main.answers["ask"] = ways[how]
        await socket.send('427["ask"]', '42["ask"]', '428["echo"]')
        answers = {await socket.receive(), await socket.receive()}
        assert answers == {f'437[{{"ok":false,"error":"{error}"}}]', "438[]"}


async def test_handler_that_cannot_even_fail_ends_the_session(http: Http) -> None:
    async with connected(http) as (running, socket):
        running.main.answers["ask"] = lambda _: 1 / 0
        running.main.failed = lambda connection, error: 1 / 0  # type: ignore[method-assign]
        await socket.send('427["ask"]')
        assert await socket.closed() == 1011
        assert running.main.gone_for == ["server error"]


async def test_acknowledgement_comes_before_what_the_handler_makes_live(http: Http) -> None:
    """What happens in the turn in which a handler returns, but after it, finds the ack written."""

    async def opens(connection: Connection, wait: bool) -> object:
        if wait:
            await asyncio.sleep(0.01)
        live.add(connection)
        # Whatever the loop runs next, this is not later than that.
        asyncio.get_running_loop().call_soon(publish, "soon")
        return "opened"

    def publish(what: str) -> None:
        for connection in live:
            connection.emit("live", what)

    live: set[Connection] = set()
    async with connected(http) as (running, socket):
        running.main.answers["open"] = opens
        running.main.answers["say"] = lambda _, what: publish(what)
        for wait in ("false", "true"):
            live.clear()
            await socket.send(f'421["open",{wait}]')
            if wait == "false":
                await socket.send('42["say","in the same read"]')
            assert await socket.receive() == '431["opened"]'
            assert await socket.receive() in {'42["live","soon"]', '42["live","in the same read"]'}
            if wait == "false":
                await socket.receive()


async def test_ack_is_written_before_a_waiter_of_the_same_future_goes_on(http: Http) -> None:
    """Several handlers wait for one thing: each one's ack precedes what later ones cause."""
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    live: list[Connection] = []

    async def opens(connection: Connection, number: int) -> object:
        await gate
        for other in live:
            other.emit("live", number)
        live.append(connection)
        return number

    async with connected(http) as (running, socket):
        running.main.answers["open"] = opens
        await socket.send('421["open",1]', '422["open",2]', '423["open",3]')
        await until(lambda: len(running.main.received) == 3)
        gate.set_result(None)
        received = [await socket.receive() for _ in range(6)]
        assert received == [
            "431[1]",
            '42["live",2]',
            "432[2]",
            '42["live",3]',
            '42["live",3]',
            "433[3]",
        ]


async def test_events_are_handled_in_the_order_received_whatever_they_are(http: Http) -> None:
    order: list[int] = []

    async def coroutine(_connection: Connection, number: int) -> None:
        order.append(number)
        await asyncio.sleep(0)

    async with connected(http) as (running, socket):
        running.main.answers["plain"] = lambda _, number: order.append(number)
        running.main.answers["coroutine"] = coroutine
        for number in range(200):
            await socket.send(f'42["{"coroutine" if number % 3 else "plain"}",{number}]')
        await until(lambda: len(order) == 200)
        assert order == list(range(200))


async def test_events_in_flight_are_bounded(http: Http) -> None:
    futures: list[asyncio.Future[int]] = []

    def ask(_connection: Connection) -> object:
        futures.append(asyncio.get_running_loop().create_future())
        return futures[-1]

    async with connected(http, SocketLimits(max_in_flight=4)) as (running, socket):
        running.main.answers["ask"] = ask
        await socket.send(*(f'42{number}["ask"]' for number in range(10)))
        await asyncio.sleep(0.1)
        assert len(futures) == 4
        futures[2].set_result(2)
        assert await socket.receive() == "432[2]"
        await until(lambda: len(futures) == 5)
        for future in futures:
            if not future.done():
                future.set_result(0)
        await until(lambda: len(futures) == 9)
        for future in futures:
            if not future.done():
                future.set_result(0)
        await until(lambda: len(futures) == 10)
        futures[9].set_result(0)
        assert {await socket.receive() for _ in range(9)} == {f"43{n}[0]" for n in range(10) if n != 2}
        session = running.main.connections[0].session
        assert session.reading


async def test_work_of_a_client_that_went_is_finished_and_its_answer_dropped(http: Http) -> None:
    done: list[str] = []
    gate = asyncio.Event()

    async def work(_connection: Connection) -> str:
        await gate.wait()
        done.append("work")
        return "nobody reads this"

    async with sockets() as running:
        running.main.answers["work"] = work
        async with http.websocket(running.url) as socket:
            await socket.receive()
            await socket.connect()
            await socket.send('421["work"]')
            await until(lambda: running.main.received)
        await until(lambda: running.main.gone_for)
        gate.set()
        await until(lambda: done)
        await until(lambda: not running.server._tasks)
