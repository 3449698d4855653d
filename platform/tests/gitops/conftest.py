"""What the tests of GitOps need of the machine: Argo CD's rules as a program, Helm, and schemas of the APIs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from api_schemas import Unreachable, schema_of
from gitops import SAYS
from manifests import PLATFORM
from rendering import HELM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def argocd(lacking: Callable[[str], None]) -> None:
    """Let a test ask what Argo CD would do."""
    if not SAYS.is_file():
        lacking("Argo CD's rules (scripts/argocd builds them)")


@pytest.fixture(scope="session")
def helm(lacking: Callable[[str], None]) -> None:
    """Let a test render the chart."""
    if not HELM.is_file():
        lacking("Helm (scripts/helm builds it)")


@pytest.fixture(scope="session")
def schemas(lacking: Callable[[str], None]) -> None:
    """Let a test ask for the schemas, which are in a folder or are fetched."""
    try:
        schema_of("v1", "Service")
    except Unreachable as problem:
        lacking(f"the schemas of Kubernetes (a folder in KUBERNETES_SCHEMAS, or {problem})")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of what Argo CD reads of the platform, which may be broken."""
    for part in ("addons", "argocd", "bootstrap"):
        shutil.copytree(PLATFORM / part, tmp_path / "platform" / part)
    for file in ("versions.yaml", "README.md"):
        shutil.copy(PLATFORM / file, tmp_path / "platform" / file)
    return tmp_path
