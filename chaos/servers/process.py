"""A server process: started, asked whether it answers, signalled, killed, and ended whatever happens."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

HOST = "127.0.0.1"
START_S = 150.0
"""How long a server may take until it answers: some stores make a node's indexes in a minute, one by one."""

# Below the ports that the kernel gives to outgoing connections: a client that knocks while nobody listens could
# otherwise be given the very port it knocks at, and so would talk to itself.
_PORTS = range(20_000, 32_000)
_given: set[int] = set()


class ServerError(Exception):
    """A server did not start or ended by itself, with what it said last."""


def free_port() -> int:
    """A port that nobody listens on, and that was not given out before."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port


class Process:
    """One process, from its start to its end. What it says goes to the file `log`."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self.stopped = False
        with log.open("ab") as output:
            # A session of its own: Ctrl-C comes to the runner alone, which ends what it started.
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def code(self) -> int | None:
        """Its exit code, minus a signal's number where that ended it; None while it runs."""
        return self._process.poll()

    async def answers(self, probe: Callable[[], Awaitable[bool]], within_s: float = START_S) -> None:
        """Wait until `probe` says so. Raises ServerError where it ends instead, or takes too long."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            if not self.running:
                break
            try:
                if await probe():
                    return
            except (OSError, TimeoutError):
                pass
            await asyncio.sleep(0.05)
        said = self.log.read_text(errors="replace").strip().splitlines()[-5:]
        raise ServerError("\n".join([f"{self.name} does not answer; it said last:", *said]))

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing where it has ended."""
        if self.running:
            self._process.send_signal(number)

    def halt(self) -> None:
        """SIGSTOP: it stands still, its connections stay."""
        self.stopped = True
        self.send(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self.stopped = False
        self.send(signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL; it has ended when this returns."""
        self.send(signal.SIGKILL)
        await self.ended(10)

    async def ended(self, within_s: float) -> bool:
        """Wait for its end; whether it came in time."""
        end = time.monotonic() + within_s
        while self.running and time.monotonic() < end:
            await asyncio.sleep(0.02)
        return not self.running

    async def end(self) -> None:
        """End it without waiting for its clients."""
        if self.stopped:
            self.go_on()
        self.send(signal.SIGINT)
        if not await self.ended(10):
            await self.kill()

    def resident_bytes(self) -> int:
        """Its resident memory now."""
        return int(psutil.Process(self._process.pid).memory_info().rss)


async def listens(port: int) -> bool:
    """Whether somebody accepts connections on a port."""
    async with asyncio.timeout(2):
        _, writer = await asyncio.open_connection(HOST, port)
    writer.close()
    return True
