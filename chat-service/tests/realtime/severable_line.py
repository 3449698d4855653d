"""A TCP line to a server that a test can cut, as a network does that goes away without a word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Line:
    """Carries every connection on to the port `to`, which may change as a balancer's choice does.

    `cut` ends those that there are, `dead` lets none through.
    """

    def __init__(self, port: int) -> None:
        self.to = port
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.dead = False

    @property
    def url(self) -> str:
        """Where clients connect to instead of the server."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Reset every connection; new ones are carried."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        self._writers.add(writer)
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self.to)
        self._writers.add(onward_writer)
        try:
            if self.dead or writer.is_closing():
                return
            await asyncio.gather(_pour(reader, onward_writer), _pour(onward_reader, writer))
        finally:
            self._writers -= {writer, onward_writer}
            writer.transport.abort()
            onward_writer.transport.abort()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def line_to(port: int) -> AsyncIterator[Line]:
    """Lay a line to `port`."""
    line = Line(port)
    server = await asyncio.start_server(line.carry, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        line.dead = True
        line.cut()
        await server.wait_closed()
