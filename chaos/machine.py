"""The machine: what of it belongs into a report, and the limits that a crowd needs lifted."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
from datetime import UTC, datetime
from pathlib import Path

COMMIT = ["git", "describe", "--always", "--dirty"]
FILES = 8192
"""Open files that a crowd needs, and its links, with room to spare."""


def allow_many_files() -> None:
    """Raise the limit of open files as far as that is allowed, for us and what we start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def describe() -> dict[str, str]:
    """What a reader of the report has to know of the machine."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} cores, {_cpu_model()}, {platform.system()} {platform.release()}",
        "service": f"Python {platform.python_version()}, commit {_said(COMMIT)}",
        "Redis": _said(["redis-server", "--version"]),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _said(command: list[str]) -> str:
    try:
        said = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:
        return "not found"
    return said.stdout.strip() or "unknown"
