"""What the tests of the platform need of the machine: pinned tools, and the schemas of the real APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api_schemas import Unreachable, schema_of
from kustomization import KUSTOMIZE
from rendering import HELM

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def helm(lacking: Callable[[str], None]) -> None:
    """Let a test render the chart."""
    if not HELM.is_file():
        lacking("Helm (scripts/helm builds it)")


@pytest.fixture(scope="session")
def kustomize(lacking: Callable[[str], None]) -> None:
    """Let a test render folders of manifests."""
    if not KUSTOMIZE.is_file():
        lacking("Kustomize (scripts/kustomize builds it)")


@pytest.fixture(scope="session")
def schemas(lacking: Callable[[str], None]) -> None:
    """Let a test ask for the schemas, which are in a folder or are fetched."""
    try:
        schema_of("v1", "Service")
    except Unreachable as problem:
        lacking(f"the schemas of Kubernetes (a folder in KUBERNETES_SCHEMAS, or {problem})")
