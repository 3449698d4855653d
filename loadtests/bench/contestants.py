"""The two that are compared: the service as it is started by default, and the official Socket.IO server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bench.people import Prepared, prepare, strangers
from bench.processes import BenchError, free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from bench.scenarios import Load

PEER = Path(__file__).parent / "peer"
OLDEST_NODE = 18

_UNLIMITED = "100000000/s"
_MANY = "1000000"
_LIFTED = {
    # One address and a few accounts do what thousands do elsewhere.
    "CHAT_RATE_SEND_PER_USER": _UNLIMITED,
    "CHAT_RATE_SEND_PER_ROOM": _UNLIMITED,
    "CHAT_RATE_EVENTS_PER_ADDRESS": _UNLIMITED,
    "CHAT_RATE_REST_PER_ADDRESS": _UNLIMITED,
    "CHAT_RATE_CONNECT_PER_ADDRESS": _UNLIMITED,
    "CHAT_REGISTER_ATTEMPTS": _UNLIMITED,
    "CHAT_MAX_CONNECTIONS_PER_ADDRESS": _MANY,
    "CHAT_MAX_CONNECTIONS_PER_USER": _MANY,
    # Nothing of a connection's upkeep falls into a measurement; the peer is set alike.
    "CHAT_PING_INTERVAL_MS": "600000",
    "CHAT_ACCESS_TOKEN_TTL_S": "86400",
    "CHAT_METRICS_PORT": "0",
}


@dataclass(frozen=True, slots=True)
class Running:
    """A contestant that answers, with what its clients need for each load, by the load's name."""

    port: int
    pid: int
    prepared: dict[str, Prepared]


class Contestant(Protocol):
    """One of the two."""

    name: str

    def running(self, loads: Sequence[Load]) -> AbstractContextManager[Running]:
        """Start it anew, prepared for these loads."""
        ...


class Service:
    """The service: embedded store, everything durable, everybody signed in."""

    name = "service"

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    @contextmanager
    def running(self, loads: Sequence[Load]) -> Iterator[Running]:
        """See Contestant."""
        port = free_port()
        # Below the project and not in /tmp, which may be memory: durable has to cost what it costs.
        with tempfile.TemporaryDirectory(dir=self._cache) as data:
            environment = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_")}
            environment |= _LIFTED | {"CHAT_PORT": str(port), "CHAT_DATA_DIR": data}
            command = (Path(sys.executable).parent / "chat-service", "serve")
            with serving(command, environment, port, self._cache / "service.log") as server:
                yield Running(port, server.pid, prepare(port, loads))


class Peer:
    """The official Socket.IO server: nothing stored, nobody signed in."""

    name = "peer"

    def __init__(self, cache: Path, node: str, version: str) -> None:
        self.version = version
        self._cache = cache
        self._node = node

    @contextmanager
    def running(self, loads: Sequence[Load]) -> Iterator[Running]:
        """See Contestant."""
        port = free_port()
        environment = os.environ | {"PORT": str(port), "NODE_ENV": "production"}
        command = (self._node, str(PEER / "server.mjs"))
        with serving(command, environment, port, self._cache / "peer.log") as server:
            yield Running(port, server.pid, strangers(loads))


def install_peer(cache: Path) -> Peer:
    """Install the peer's packages, once. BenchError says why it has to be left out."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    if node is None or npm is None:
        raise BenchError("there is no node and npm on the PATH")
    version = _version(node)
    if int(version.lstrip("v").partition(".")[0]) < OLDEST_NODE:
        raise BenchError(f"node is {version}, needed is {OLDEST_NODE} or newer")
    installed, lock = PEER / "node_modules" / ".installed", (PEER / "package-lock.json").read_text()
    if not installed.exists() or installed.read_text() != lock:
        done = subprocess.run(  # noqa: S603 - our own command
            [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=PEER,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BenchError(f"npm cannot install its packages:\n{done.stderr.strip()}")
        installed.write_text(lock)
    return Peer(cache, node, version)


def _version(node: str) -> str:
    """What `node --version` says."""
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    return said.stdout.strip()
