"""Everything about scaling, recovery and cost is rendered: by Helm the chart, by Kustomize the folders."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="session")
def _rendering(helm: None, kustomize: None) -> None:
    """Let no test run without them."""
