"""What the platform's tests need of the machine beside what the chart's do: Kustomize as it is pinned here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kustomization import KUSTOMIZE

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def kustomize(lacking: Callable[[str], None]) -> None:
    """Let a test render folders of manifests."""
    if not KUSTOMIZE.is_file():
        lacking("Kustomize (scripts/kustomize builds it)")
