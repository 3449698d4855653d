"""What all of the chart's tests need of the machine: Helm as it is pinned here."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="session")
def _helm(helm: None) -> None:
    """Let no test run without Helm."""
    assert helm is None
