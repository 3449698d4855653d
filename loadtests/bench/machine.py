"""The machine: what of it belongs beside figures, and the limits that a benchmark needs lifted."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.contestants import PEER
from bench.processes import BenchError, pinning

FILES = 4096
"""Open files that the largest load needs, with room to spare."""


def allow_many_files() -> None:
    """Raise the limit of open files, for us and what we start. BenchError where that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        raise BenchError(f"a process may open {hard} files here; {FILES} are needed (ulimit -Hn)")
    if soft != resource.RLIM_INFINITY and soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))


def describe(cache: Path, node: str | None) -> dict[str, str]:
    """What a reader of the figures has to know of the machine; `node` is the version, None without the peer."""
    facts = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} cores, {_cpu_model()}, {platform.system()} {platform.release()}",
        "cores used": (
            "the server on one, the generator on another" if pinning() else "whatever the system gives: not pinned"
        ),
        "load before the start": f"{os.getloadavg()[0]:.2f}",
        "disk": f"a write of 4 KiB and fsync take {_fsync_ms(cache):.2f} ms (median of 100)",
        "service": f"Python {platform.python_version()}, uvloop {version('uvloop')}, commit {_commit()}",
    }
    if node is not None:
        facts["peer"] = f"Node.js {node.lstrip('v')}, socket.io {_peer_version()}"
    return facts


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _fsync_ms(cache: Path) -> float:
    with tempfile.TemporaryFile(dir=cache, buffering=0) as file:
        took = []
        for _ in range(100):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def _commit() -> str:
    """The commit that is measured, and whether something was changed since."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty"],  # noqa: S607 - the developer's own git
            cwd=PEER,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return "unknown"
    return said.stdout.strip() or "unknown"


def _peer_version() -> str:
    lock = json.loads((PEER / "package-lock.json").read_text())
    return str(lock["packages"]["node_modules/socket.io"]["version"])
