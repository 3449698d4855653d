"""The official JavaScript client in a Node.js process of its own, driven from a test."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE_S = 20


@dataclass
class JavaScript:
    """The process: it can hold any number of sockets."""

    process: asyncio.subprocess.Process
    sockets: dict[str, JsSocket] = field(default_factory=dict)

    def socket(self, name: str, url: str, **options: Any) -> JsSocket:
        """`io(url, options)`, which begins to connect."""
        socket = self.sockets[name] = JsSocket(name, self)
        self.tell(do="open", socket=name, url=url, options=options)
        return socket

    def tell(self, **command: Any) -> None:
        """Send a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")

    async def listen(self) -> None:
        """Hand on what the sockets report."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            name, what, *details = json.loads(line)
            await self.sockets[name].take(what, details)


@dataclass(eq=False)
class JsSocket:
    """One socket of the official client; what it reported and was not taken yet is in `reports`."""

    name: str
    owner: JavaScript
    reports: list[tuple[str, list[Any]]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def connected(self) -> str:
        """Wait until it has connected; the transport that it did so on."""
        return str((await self.next("connect"))[0])

    async def upgraded(self) -> None:
        """Wait until it goes on over WebSocket."""
        assert await self.next("upgrade") == ["websocket"]

    async def disconnected(self) -> str:
        """Wait until it is disconnected; the reason as the client gives it."""
        return str((await self.next("disconnect"))[0])

    async def event(self, name: str) -> Any:
        """Wait for an event of that name and return its one argument."""
        found = await self._take(lambda what, details: what == "event" and details[0] == name)
        (argument,) = found[1]
        return argument

    async def next(self, what: str) -> list[Any]:
        """Wait for a report of that kind."""
        return await self._take(lambda heard, _: heard == what)

    async def ask(self, event: str, *args: Any, timeout_ms: int = 10_000) -> Any:
        """Emit with an acknowledgement and return it; `{error}` where it did not come in time."""
        return await self.answer_to(self.post(event, *args, timeout_ms=timeout_ms))

    def post(self, event: str, *args: Any, timeout_ms: int = 10_000) -> int:
        """Emit with an acknowledgement that `answer_to` waits for."""
        number = next(self._numbers)
        self.owner.tell(do="ask", socket=self.name, number=number, event=event, args=args, timeout=timeout_ms)
        return number

    async def answer_to(self, number: int) -> Any:
        """Wait for the acknowledgement with this number."""
        return (await self._take(lambda what, details: what == "answer" and details[0] == number))[1]

    def emit(self, event: str, *args: Any) -> None:
        """Emit without an acknowledgement."""
        self.owner.tell(do="emit", socket=self.name, event=event, args=args)

    def cut(self) -> None:
        """End its transport as a lost network does: the client comes back by itself."""
        self.owner.tell(do="cut", socket=self.name)

    def close(self) -> None:
        """Disconnect."""
        self.owner.tell(do="close", socket=self.name)

    def heard(self, name: str) -> list[Any]:
        """The arguments of the events of that name that were not taken."""
        return [details[1][0] for what, details in self.reports if what == "event" and details[0] == name]

    async def take(self, what: str, details: list[Any]) -> None:
        """Note a report."""
        async with self._changed:
            self.reports.append((what, details))
            self._changed.notify_all()

    async def _take(self, wanted: Any) -> list[Any]:
        async with asyncio.timeout(PATIENCE_S), self._changed:
            while True:
                for position, (what, details) in enumerate(self.reports):
                    if wanted(what, details):
                        del self.reports[position]
                        return details
                await self._changed.wait()


@asynccontextmanager
async def javascript(folder: Path) -> AsyncIterator[JavaScript]:
    """Run the driver; it must end without a word on standard error."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "node", str(folder / "driven_client.mjs"), stdin=pipe, stdout=pipe, stderr=pipe, limit=2**24
    )
    assert process.stdin is not None
    assert process.stderr is not None
    driver = JavaScript(process)
    listening = asyncio.create_task(driver.listen())
    try:
        yield driver
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        finally:
            await listening
    assert await process.stderr.read() == b""
