"""The service as a process of its own: started on a data folder, asked, signalled, killed, and its log read."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import psutil
from eventually import eventually

HOST = "127.0.0.1"
STOPS_WITHIN_S = 40.0
"""More than CHAT_STOP_TIMEOUT_S: how quick a busy machine is says nothing of a service."""

# Below the ports that the kernel gives to outgoing connections: a client that knocks while nobody listens
# could otherwise be given the very port it knocks at, and so would talk to itself.
_PORTS = range(20_000, 32_000)

UNLIMITED = {
    "CHAT_RATE_SEND_PER_USER": "1000000/s",
    "CHAT_RATE_SEND_PER_ROOM": "1000000/s",
    "CHAT_RATE_EVENTS_PER_ADDRESS": "1000000/s",
    "CHAT_RATE_REST_PER_ADDRESS": "1000000/s",
    "CHAT_RATE_CONNECT_PER_ADDRESS": "1000000/s",
    "CHAT_REGISTER_ATTEMPTS": "1000000/s",
    "CHAT_MAX_CONNECTIONS_PER_ADDRESS": "10000",
}
"""Every client of a test comes from one address: the limits of one are not what is tested."""


def free_port() -> int:
    """A port that nobody listens on now."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port


@dataclass(frozen=True)
class Place:
    """Where a service lives: its data, its ports, its settings. A process after another takes the same."""

    data_dir: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    metrics_port: int = 0

    @property
    def url(self) -> str:
        """The origin that clients reach it at."""
        return f"http://{HOST}:{self.port}"

    @property
    def metrics_url(self) -> str:
        """Where its metrics are."""
        return f"http://{HOST}:{self.metrics_port}/metrics"

    def environment(self, *, measured: bool) -> dict[str, str]:
        """What a command there is started with; `measured` by coverage, where this process is."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_")}
        if not measured:
            own = {name: value for name, value in own.items() if not name.startswith("COVERAGE_")}
        return {
            **own,
            **UNLIMITED,
            "CHAT_DATA_DIR": str(self.data_dir),
            "CHAT_PORT": str(self.port),
            "CHAT_METRICS_PORT": str(self.metrics_port),
            **self.settings,
        }


class ServiceProcess:
    """One `chat-service serve`, or `worker` where that is the `command`, from its start to its end.

    `prelude` is Python that is run in the process first. `warns` are the warnings that may be in its log;
    one that `serves` nothing, because it cannot, may say so in any form. Only `ready` waits for the service:
    a process may be signalled at any moment.
    """

    def __init__(
        self,
        place: Place,
        *,
        command: str = "serve",
        prelude: str = "",
        measured: bool = True,
        serves: bool = True,
        warns: Collection[str] = (),
    ) -> None:
        self.place = place
        self._serves = serves
        self._health = place.url if command == "serve" else place.metrics_url.removesuffix("/metrics")
        self._warns = frozenset(warns)
        self.started = time.monotonic()
        self.killed = False
        place.data_dir.mkdir(parents=True, exist_ok=True)
        self._log = place.data_dir / f"{command}-{time.monotonic_ns()}.log"
        # The import comes after the prelude, which can so change what is imported.
        code = f"{prelude}\nimport sys\nfrom chat_service.cli import main\nsys.exit(main(['{command}']))"
        started = ["-c", code] if prelude else ["-m", "chat_service.cli", command]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *started],
                env=place.environment(measured=measured),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    async def ready(self, within_s: float = 20) -> None:
        """Wait until it serves. Raises AssertionError where it ends instead."""
        async with aiohttp.ClientSession() as http:

            async def serves() -> bool:
                assert self.running, f"it ended while starting: {self.log_text()}"
                try:
                    async with http.get(f"{self._health}/readyz") as answer:
                        return answer.status == 200
                except aiohttp.ClientError:
                    return False

            await eventually(serves, within_s)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing where it has ended."""
        if self.running:
            self._process.send_signal(number)

    def terminate(self) -> None:
        """SIGTERM: ask it to leave."""
        self.signal(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL: it has ended when this returns."""
        self.killed = True
        self.signal(signal.SIGKILL)
        await self.ended(10)

    async def assert_stops(self) -> None:
        """Stop it without a drain, where it still runs; fail where it does not end well."""
        if self.running:
            self.signal(signal.SIGINT)
            assert await self.ended(STOPS_WITHIN_S) == 0

    async def ended(self, within_s: float) -> int:
        """Wait for its end; return its exit code, minus a signal's number where that ended it."""
        await eventually(lambda: not self.running, within_s, every_s=0.005)
        return int(self._process.returncode)

    def resident_bytes(self) -> int:
        """Its resident memory now."""
        return int(psutil.Process(self.pid).memory_info().rss)

    # -- what it says ---------------------------------------------------------------------------------

    def log_text(self) -> str:
        """Everything it wrote to standard output and standard error."""
        return self._log.read_text(errors="replace")

    def log_lines(self) -> Iterator[dict[str, Any]]:
        """Its log, line by line. Raises AssertionError for a line that is no JSON object."""
        text = self.log_text()
        lines = text.splitlines()
        if self.killed and text and not text.endswith("\n"):
            lines.pop()  # it was killed while it wrote this one
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                raise AssertionError(f"not a line of JSON in the log: {line!r}") from None
            assert isinstance(record, dict), line
            yield record

    def assert_clean_log(self) -> None:
        """Fail on a traceback, an error, or a warning that was not expected."""
        if not self._serves:
            assert "Traceback" not in self.log_text()
            return
        for record in self.log_lines():
            assert "Traceback" not in json.dumps(record), record
            assert record["level"] in {"debug", "info", "warning"}, record
            if record["level"] == "warning":
                assert record["message"] in self._warns, record


MakePlace: TypeAlias = Callable[..., Place]
"""Makes a place from settings."""

StartService: TypeAlias = Callable[..., ServiceProcess]
"""Starts a process as ServiceProcess does, and sees to it that it ends."""


async def run_command(place: Place, *arguments: str) -> str:
    """Run a command of `chat-service` at the place, beside whatever serves it; return what it prints."""
    return await run_python(place, "-m", "chat_service.cli", *arguments)


async def run_python(place: Place, *arguments: str) -> str:
    """Run Python with `arguments` and the place's settings; return what it prints."""
    process = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, *arguments],
        env=place.environment(measured=True),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


async def metrics_of(place: Place) -> dict[str, float]:
    """Every sample that the service shows: `name{labels}` -> value."""
    async with aiohttp.ClientSession() as http, http.get(place.metrics_url) as answer:
        assert answer.status == 200
        text = await answer.text()
    samples = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}
