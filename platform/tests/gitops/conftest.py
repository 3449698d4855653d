"""What the tests of GitOps need of the machine: Argo CD's rules as a program, Helm, and schemas of the APIs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from api_schemas import Unreachable, schema_of
from gitops import SAYS
from manifests import PLATFORM
from rendering import CHART, HELM

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
    """A copy of the repository that may be broken: the platform and the chart."""
    shutil.copytree(PLATFORM, tmp_path / "platform", ignore=shutil.ignore_patterns("tests"))
    shutil.copytree(CHART, tmp_path / "helm" / "chat")
    return tmp_path
