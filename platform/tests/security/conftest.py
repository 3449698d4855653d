"""What the tests of platform/security need of the machine: Kustomize, gator and Helm as they are pinned here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gator import GATOR
from security_rooms import KUSTOMIZE

from api_schemas import Unreachable, schema_of
from rendering import HELM

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True, scope="session")
def _rendering(lacking: Callable[[str], None]) -> None:
    """Let no test run without what renders the manifests."""
    if not KUSTOMIZE.is_file():
        lacking("Kustomize (scripts/kustomize builds it)")
    if not HELM.is_file():
        lacking("Helm (scripts/helm builds it)")


@pytest.fixture(scope="session")
def gator(lacking: Callable[[str], None]) -> None:
    """Let a test ask for gator."""
    if not GATOR.is_file():
        lacking("gator (scripts/gator builds it)")


@pytest.fixture(scope="session")
def schemas(lacking: Callable[[str], None]) -> None:
    """Let a test ask for the schemas, which are in a folder or are fetched."""
    try:
        schema_of("v1", "Service")
    except Unreachable as problem:
        lacking(f"the schemas of Kubernetes (a folder in KUBERNETES_SCHEMAS, or {problem})")
