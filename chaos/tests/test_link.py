"""A link carries what it is given, and does to it what its state says."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from chaos.servers.link import Link, State
from chaos.servers.process import HOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1000):
            writer.write(data)
    writer.close()


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    """Give a link to a server that answers with what it hears."""
    server = await asyncio.start_server(_echo, HOST, 0)
    made = Link("test", server.sockets[0].getsockname()[1])
    await made.start()
    yield made
    await made.stop()
    server.close()


class _Caller:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def of(cls, link: Link) -> _Caller:
        return cls(*await asyncio.open_connection(HOST, link.port))

    def say(self, said: bytes) -> None:
        self._writer.write(said)

    async def hear(self, count: int) -> bytes:
        async with asyncio.timeout(10):
            return await self._reader.readexactly(count)

    async def hears_nothing(self) -> bool:
        try:
            async with asyncio.timeout(0.3):
                return not await self._reader.read(1)
        except TimeoutError:
            return True

    async def is_cut_off(self) -> bool:
        try:
            async with asyncio.timeout(10):
                return not await self._reader.read(1)
        except OSError:
            return True

    def close(self) -> None:
        self._writer.transport.abort()


@pytest.fixture
async def caller(link: Link) -> AsyncIterator[_Caller]:
    """Give somebody who is connected through the link."""
    made = await _Caller.of(link)
    made.say(b"hello")
    assert await made.hear(5) == b"hello"
    yield made
    made.close()


async def test_what_is_cut_is_reset_and_takes_nobody_new(link: Link, caller: _Caller) -> None:
    link.become(State.CUT)
    assert await caller.is_cut_off()
    late = await _Caller.of(link)
    assert await late.is_cut_off()
    late.close()
    link.become(State.OPEN)
    again = await _Caller.of(link)
    again.say(b"again")
    assert await again.hear(5) == b"again"
    again.close()


@pytest.mark.parametrize("state", [State.FROZEN, State.DEAF, State.DUMB])
async def test_what_does_not_arrive_now_arrives_later(link: Link, caller: _Caller, state: State) -> None:
    link.become(state)
    caller.say(b"later")
    assert await caller.hears_nothing()
    link.become(State.OPEN)
    assert await caller.hear(5) == b"later"


async def test_a_slow_link_keeps_the_order(link: Link, caller: _Caller) -> None:
    link.delay_s = 0.05
    said = b"".join(b"%05d" % number for number in range(2000))
    for start in range(0, len(said), 500):
        caller.say(said[start : start + 500])
    assert await caller.hear(len(said)) == said
