"""What the tests of observability need of the machine: promtool and the two readers, built from pinned modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from extraction import PROMQL, PROMTOOL, TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def prometheus(lacking: Callable[[str], None], helm: None) -> None:
    """Let a test ask for promtool, and for the chart's rules, which Helm renders."""
    if not (PROMTOOL.is_file() and PROMQL.is_file()):
        lacking("promtool (scripts/promtool builds it)")


@pytest.fixture(scope="session")
def alloy(lacking: Callable[[str], None]) -> str:
    """Give the reader of Alloy's configuration."""
    reader = TOOLS / "alloy-reader"
    if not reader.is_file():
        lacking("the reader of Alloy's configuration (scripts/promtool builds it)")
    return str(reader)
