"""What the tests of platform/security need of the machine, beside what renders: gator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gator import GATOR

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True, scope="session")
def _rendering(helm: None, kustomize: None) -> None:
    """Let no test run without what renders the manifests."""


@pytest.fixture(scope="session")
def gator(lacking: Callable[[str], None]) -> None:
    """Let a test ask for gator."""
    if not GATOR.is_file():
        lacking("gator (scripts/gator builds it)")
