"""What every test may ask for: the outside tools that it needs, which must not go missing in silence."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_lacking = pytest.StashKey[set[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin to note what this machine lacks."""
    config.stash[_lacking] = set()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say last and plainly what was not tested here."""
    for tool in sorted(config.stash[_lacking]):
        terminalreporter.write_line(f"!!! NOT TESTED HERE: whatever needs {tool}", red=True, bold=True)


@pytest.fixture(scope="session")
def require(pytestconfig: pytest.Config) -> Callable[[str], str]:
    """Give a function that returns a tool's path, skips the test where it is missing and fails it in CI.

    `redis = require("redis-server")`
    """

    def require(tool: str) -> str:
        # What `make test` installed lies beside this Python and wins over the machine's.
        found = shutil.which(tool, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
        if found is None:
            _lack(pytestconfig, tool)
        return found

    return require


@pytest.fixture(scope="session")
def lacking(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Give a function that skips the test for want of what it names, and fails it in CI."""
    return lambda what: _lack(pytestconfig, what)


@pytest.fixture(scope="session")
def helm(lacking: Callable[[str], None]) -> None:
    """Let a test render the chart."""
    from rendering import HELM  # noqa: PLC0415 - it is found only where pytest looks for what tests share

    if not HELM.is_file():
        lacking("Helm (scripts/helm builds it)")


@pytest.fixture(scope="session")
def schemas(lacking: Callable[[str], None]) -> None:
    """Let a test ask for the schemas of the real APIs, which are in a folder or are fetched."""
    from api_schemas import Unreachable, schema_of  # noqa: PLC0415 - most tests need none of what it needs

    try:
        schema_of("v1", "Service")
    except Unreachable as problem:
        lacking(f"the schemas of Kubernetes (a folder in KUBERNETES_SCHEMAS, or {problem})")


def _lack(config: pytest.Config, what: str) -> None:
    config.stash[_lacking].add(what)
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and in CI nothing is skipped", pytrace=False)
    pytest.skip(f"{what} is missing")
