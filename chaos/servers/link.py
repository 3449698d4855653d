"""A link: a TCP proxy of ours in front of a server, that can be cut, slowed, made one-way and made to flap."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING

from chaos.servers.process import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 65_536
_WAITING_BYTES = 1024 * 1024
"""Bytes that may be on their way in one direction: more are not read before they have arrived."""


class State(Enum):
    """What a link does with bytes."""

    OPEN = "open"
    CUT = "cut"
    """Connections are reset and new ones are refused."""
    FROZEN = "frozen"
    """Nothing arrives in either direction, and nobody is told."""
    DEAF = "deaf"
    """What clients send does not arrive; what the server sends does."""
    DUMB = "dumb"
    """What the server sends does not arrive; what clients send does."""


class Link:
    """Listens on a port of its own and passes on to that of a server. Bytes are never lost: TCP would resend them,
    so what does not arrive now arrives when the link is open again, unless the connection was given up.
    """

    def __init__(self, name: str, target: int, port: int | None = None) -> None:
        self.name = name
        self.port = free_port() if port is None else port
        self.delay_s = 0.0
        """How long every byte takes, each way."""
        self._target = target
        self._state = State.OPEN
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> State:
        """What it does now."""
        return self._state

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, HOST, self.port, limit=_CHUNK)

    async def stop(self) -> None:
        """Cut everything and listen no more."""
        self.become(State.CUT)
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def become(self, state: State) -> None:
        """Be in another state from now on."""
        self._state = state
        self._changed.set()
        self._changed = asyncio.Event()
        if state is State.CUT:
            self.reset()

    def reset(self) -> None:
        """Reset every connection there is; new ones are as welcome as before."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a callback of a server runs in a task
        self._tasks.add(task)
        self._writers.add(client)
        server: asyncio.StreamWriter | None = None
        try:
            while self._state is State.FROZEN:
                await self._changed.wait()
            if self._state is State.CUT:
                return
            server_reader, server = await asyncio.open_connection(HOST, self._target, limit=_CHUNK)
            self._writers.add(server)
            await self._pass_on(client_reader, client, server_reader, server)
        except OSError:
            pass
        except asyncio.CancelledError:
            # Only `stop` cancels it, and a server of Python 3.11 reports a task that ends so as an error.
            pass
        finally:
            for writer in filter(None, (client, server)):
                self._writers.discard(writer)
                writer.transport.abort()
            self._tasks.discard(task)

    async def _pass_on(
        self,
        client_reader: asyncio.StreamReader,
        client: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server: asyncio.StreamWriter,
    ) -> None:
        directions = [
            asyncio.ensure_future(self._pump(client_reader, server, {State.FROZEN, State.DEAF})),
            asyncio.ensure_future(self._pump(server_reader, client, {State.FROZEN, State.DUMB})),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, held: set[State]) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arriving = asyncio.ensure_future(self._arrive(queue, writer, held))
        waiting = 0
        try:
            with suppress(OSError):
                while data := await reader.read(_CHUNK):
                    queue.put_nowait((time.monotonic() + self.delay_s, data))
                    waiting += len(data)
                    if waiting > _WAITING_BYTES:
                        await queue.join()
                        waiting = 0
                await queue.join()
        finally:
            arriving.cancel()
            await asyncio.gather(arriving, return_exceptions=True)

    async def _arrive(
        self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, held: set[State]
    ) -> None:
        try:
            while True:
                due, data = await queue.get()
                if (wait := due - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                while self._state in held:
                    await self._changed.wait()
                writer.write(data)
                await writer.drain()
                queue.task_done()
        except OSError:
            writer.transport.abort()


async def flap(link: Link, seconds: float, chance: Callable[[], float]) -> None:
    """Cut a link and open it again, at random, for a while; it is open in the end."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        link.become(State.CUT)
        await asyncio.sleep(0.1 + 0.5 * chance())
        link.become(State.OPEN)
        await asyncio.sleep(0.2 + 1.0 * chance())
    link.become(State.OPEN)
