"""Running servers for the tests: an engine that echoes, and a Socket.IO server that records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from chat_service.engine import Engine, EngineOptions, Limits, Reason, Session, message_frames
from chat_service.realtime.connection import Connection, Refused
from chat_service.realtime.peer import SocketLimits
from chat_service.realtime.server import SocketServer

# Times that a test can wait for.
QUICK = Limits(ping_interval=0.3, ping_timeout=0.2, close_timeout=0.1)


@dataclass
class Running:
    """An engine that is served, and what it told the layer above."""

    engine: Engine
    port: int
    path: str
    messages: list[str | bytes] = field(default_factory=list)
    ended: list[tuple[str, Reason]] = field(default_factory=list)
    drained: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.port}/{self.path}/"

    @property
    def session(self) -> Session:
        """The only session."""
        (session,) = self.engine.sessions.values()
        return session


@asynccontextmanager
async def served(attach: Callable[[web.Application], None]) -> AsyncIterator[int]:
    """Serve an application at a free port, which is given."""
    app = web.Application()
    attach(app)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def echoing(limits: Limits | None = None, *, echo: bool = True, **options: Any) -> AsyncIterator[Running]:
    """Serve an engine that sends every message back, if `echo` is true."""
    engine = Engine(options=EngineOptions(limits=limits or Limits(close_timeout=0.05), **options))
    async with served(engine.attach) as port:
        running = Running(engine, port, "engine.io")

        def message(session: Session, data: str | bytes) -> None:
            running.messages.append(data)
            if echo:
                session.write(message_frames(data))

        engine.on("message", message)
        engine.on("disconnect", lambda session, reason: running.ended.append((session.id, reason)))
        engine.on("drain", lambda session: running.drained.append(session.id))
        yield running
        await engine.shutdown()


class Recorder:
    """A namespace handler that records, and does what each event's name says."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.received: list[tuple[str, list[Any]]] = []
        self.gone_for: list[str] = []
        self.drains = 0
        self.answers: dict[str, Callable[..., object]] = {"echo": lambda _, *args: args}

    async def admit(self, connection: Connection, auth: dict[str, Any] | None) -> None:
        if auth and auth.get("wait"):
            await asyncio.sleep(auth["wait"])
        if auth and auth.get("refuse"):
            raise Refused(auth["refuse"], {"code": "unauthorized"})
        if auth and auth.get("fail"):
            raise RuntimeError("a fault of the handler")
        self.connections.append(connection)
        connection.emit("welcome", auth or {})

    def event(self, connection: Connection, name: str, args: list[Any]) -> object:
        self.received.append((name, args))
        answer = self.answers.get(name)
        return None if answer is None else answer(connection, *args)

    def failed(self, connection: Connection, error: BaseException) -> object:
        return {"ok": False, "error": type(error).__name__}

    def drained(self, connection: Connection) -> None:
        self.drains += 1

    def gone(self, connection: Connection, reason: str) -> None:
        self.gone_for.append(reason)


@dataclass
class RunningSockets:
    """A Socket.IO server that is served, with a recorder on `/` and on `/chat`."""

    server: SocketServer
    port: int
    main: Recorder
    chat: Recorder

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.port}/socket.io/"

    @property
    def origin(self) -> str:
        """What an official client is pointed at."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def sockets(
    limits: Limits | None = None, socket_limits: SocketLimits | None = None
) -> AsyncIterator[RunningSockets]:
    """Serve a Socket.IO server."""
    server = SocketServer(options=EngineOptions(limits=limits or Limits(close_timeout=0.05)), limits=socket_limits)
    main, chat = Recorder(), Recorder()
    server.register("/", main)
    server.register("/chat", chat)
    async with served(server.attach) as port:
        yield RunningSockets(server, port, main, chat)
        await server.shutdown()
