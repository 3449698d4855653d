"""A chat node: `chat-service serve` as a real process, told everything by CHAT_* variables."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from chaos.history import Departure
from chaos.servers.process import HOST, Process, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]

UNLIMITED = {
    "CHAT_RATE_SEND_PER_USER": "1000000/s",
    "CHAT_RATE_SEND_PER_ROOM": "1000000/s",
    "CHAT_RATE_EVENTS_PER_ADDRESS": "1000000/s",
    "CHAT_RATE_REST_PER_ADDRESS": "1000000/s",
    "CHAT_RATE_CONNECT_PER_ADDRESS": "1000000/s",
    "CHAT_REGISTER_ATTEMPTS": "1000000/s",
    "CHAT_MAX_CONNECTIONS_PER_ADDRESS": "10000",
    "CHAT_MAX_CONNECTIONS_PER_USER": "1000",
}
"""Every client of a round comes from one address: the limits of one are not what is tested."""

QUICK = {
    "CHAT_PING_INTERVAL_MS": "2000",
    "CHAT_PING_TIMEOUT_MS": "3000",
    "CHAT_DRAIN_NOTICE_S": "1",
    "CHAT_DRAIN_CLOSE_S": "2",
    "CHAT_STOP_TIMEOUT_S": "15",
    "CHAT_ACCESS_TOKEN_TTL_S": "86400",
}
"""Shorter times than the defaults, so that a round of half a minute sees what takes minutes otherwise."""

GRACE_S = 15.0 + 1.0
"""How long a node may take to leave: CHAT_STOP_TIMEOUT_S, and the end of the process itself."""


@dataclass(frozen=True, slots=True)
class NodePlan:
    """How a node is started: its settings beside the usual ones, and what runs it.

    `launcher` is a module with its arguments, instead of `chat_service.cli serve`: a build that is broken on
    purpose. With its `own_clock` it has one that `Node.set_clock` moves.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    launcher: Sequence[str] = ("chat_service.cli", "serve")
    own_clock: bool = False


class Node:
    """One node: its place, which stays, and its process, which comes and goes."""

    def __init__(self, name: str, folder: Path, plan: NodePlan) -> None:
        self.name = name
        self.plan = plan
        self.port = free_port()
        self.metrics_port = free_port()
        self.settings: Mapping[str, str] = plan.settings
        """Its own CHAT_* variables, from the next start on."""
        self._folder = folder
        self._clock = folder / "clock"
        self._starts = 0
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """Its origin."""
        return f"http://{HOST}:{self.port}"

    @property
    def started(self) -> bool:
        """Whether it was ever started."""
        return self._process is not None

    @property
    def data_dir(self) -> Path:
        """Where the embedded store is."""
        return self._folder / "data"

    @property
    def process(self) -> Process:
        """The process that was started last."""
        assert self._process is not None, "the node was never started"  # noqa: S101 - a defect of the runner
        return self._process

    def start(self) -> None:
        """Start a process; it takes the place of one that has ended."""
        self._starts += 1
        self._folder.mkdir(parents=True, exist_ok=True)
        # Every process has a name of its own among the nodes, as pods have: one that was killed must not be taken
        # for the one that follows it.
        named = {"CHAT_NODE_ID": f"{self.name}-{self._starts}"}
        launcher = self.plan.launcher
        if self.plan.own_clock:
            self.set_clock(0)
            launcher = ("chaos.launchers.own_clock", str(self._clock))
        self._process = Process(
            self.name,
            [sys.executable, "-m", *launcher],
            self.environment() | named,
            self._folder / "serve.log",
        )

    def environment(self) -> dict[str, str]:
        """What a command of the service is started with there."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("CHAT_", "COVERAGE_"))
        }
        return {
            **inherited,
            **UNLIMITED,
            **QUICK,
            "CHAT_LOG_FORMAT": "json",
            "CHAT_DATA_DIR": str(self.data_dir),
            "CHAT_PORT": str(self.port),
            "CHAT_METRICS_PORT": str(self.metrics_port),
            **self.settings,
            "PYTHONPATH": str(ROOT),
        }

    def set_clock(self, ahead_s: int) -> None:
        """Set its wall clock so far ahead of the true time, from now on."""
        written = self._clock.with_suffix(".new")
        written.write_text(str(ahead_s))
        written.rename(self._clock)

    async def ready(self) -> None:
        """Wait until it serves. Raises ServerError."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as http:

            async def serves() -> bool:
                try:
                    async with http.get(f"{self.url}/readyz") as answer:
                        return answer.status == 200
                except aiohttp.ClientError:
                    return False

            await self.process.answers(serves)

    async def leave(self) -> Departure:
        """SIGTERM, and wait until it has left."""
        asked = time.monotonic()
        self.process.send(signal.SIGTERM)
        ended = await self.process.ended(GRACE_S + 10)
        if not ended:
            await self.process.kill()
        now = time.monotonic()
        return Departure(self.name, asked, now if ended else None, self.process.code if ended else None, GRACE_S)
