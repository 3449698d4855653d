"""The clients that people use: the official JavaScript one and python-socketio's, on each transport."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import socketio
from engine_clients import until
from engine_service import RunningSockets, sockets

from chat_service.engine import Frames, Limits, Reason
from chat_service.realtime.connection import Connection
from chat_service.realtime.packets import event_frames

EVENTS = 200


class Ticker:
    """Writes numbered events to every connection, all the while."""

    def __init__(self, running: RunningSockets) -> None:
        self.running = running
        self.sent: dict[Connection, int] = {}

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            for connection in self.running.server.connections("/chat"):
                number = self.sent.get(connection, 0)
                connection.write(self.frames(number))
                self.sent[connection] = number + 1
            await asyncio.sleep(0.002)

    @staticmethod
    def frames(number: int) -> Frames:
        """Return the event of one number."""
        return event_frames("/chat", "tick", b"%d" % number)


@asynccontextmanager
async def ticking() -> AsyncIterator[tuple[RunningSockets, Ticker]]:
    """Serve, with a handler that ends a connection's session when its client says `finish`."""
    async with sockets(Limits(close_timeout=1)) as running:
        ticker = Ticker(running)
        running.chat.answers["finish"] = lambda connection: connection.close(Reason.SERVER_SHUTDOWN)
        task = asyncio.create_task(ticker.run())
        try:
            yield running, ticker
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("transports", "first", "last"),
    [
        ("polling", "polling", "polling"),
        ("websocket", "websocket", "websocket"),
        ("polling,websocket", "polling", "websocket"),
    ],
)
async def test_official_client(js_clients: Path, transports: str, first: str, last: str) -> None:
    async with ticking() as (running, ticker):
        process = await asyncio.create_subprocess_exec(
            "node",
            str(js_clients / "engine-client.mjs"),
            running.origin,
            transports,
            str(EVENTS),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0, err.decode()
        seen = json.loads(out)
        (connection,) = running.chat.connections
        assert seen["transports"] == [first, last]
        assert seen["welcome"] == {"token": "Zo\u00eb \U0001f600"}
        assert seen["refused"] == {"message": "Not today", "data": {"code": "unauthorized"}}
        assert seen["acks"] == list(range(EVENTS))
        assert seen["binary"] == [1, 2, 3]
        assert seen["order"] == list(range(ticker.sent[connection])), seen
        assert seen["reason"] == "transport close"
        assert [args[0] for name, args in running.chat.received if name == "echo"][:-1] == list(range(EVENTS))
        assert running.chat.gone_for == ["server shutdown"]
        assert running.server.engine.counts.upgraded == (1 if first != last else 0)


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]])
async def test_python_client(transports: list[str]) -> None:
    async with ticking() as (running, ticker):
        client = socketio.AsyncClient(reconnection=False)
        order: list[int] = []
        welcome: list[Any] = []
        client.on("tick", order.append, namespace="/chat")
        client.on("welcome", welcome.append, namespace="/chat")
        await client.connect(running.origin, namespaces=["/chat"], transports=transports, auth={"token": "x"})
        for number in range(50):
            assert await client.call("echo", number, namespace="/chat") == number
        assert await client.call("echo", b"\x01\x02", namespace="/chat") == b"\x01\x02"
        assert client.transport() == transports[-1]
        assert welcome == [{"token": "x"}]
        await client.emit("finish", namespace="/chat")
        await until(lambda: not client.connected)
        (connection,) = running.chat.connections
        await until(lambda: len(order) == ticker.sent[connection])
        assert order == list(range(len(order)))
        assert running.chat.gone_for == ["server shutdown"]
        await client.disconnect()


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_python_client_leaves(transport: str) -> None:
    async with sockets() as running:
        client = socketio.AsyncClient(reconnection=False)
        await client.connect(running.origin, transports=[transport])
        await client.disconnect()
        await until(lambda: not running.server.engine.sessions)
        # On a WebSocket it closes so soon that the packet and the end may come together.
        assert running.main.gone_for in [["client disconnect"], ["transport close"]]


async def test_python_client_is_refused() -> None:
    async with sockets() as running:
        client = socketio.AsyncClient(reconnection=False)
        told: list[Any] = []
        client.on("connect_error", told.append)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(running.origin, transports=["websocket"], auth={"refuse": "Not today"})
        assert told == [{"message": "Not today", "data": {"code": "unauthorized"}}]
        await client.disconnect()
