"""What the tests of GitOps need: Argo CD's rules as a program, and copies of the platform to break."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from gitops import SAYS
from manifests import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def argocd(lacking: Callable[[str], None]) -> None:
    """Let a test ask what Argo CD would do."""
    if not SAYS.is_file():
        lacking("Argo CD's rules (scripts/argocd builds them)")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of what Argo CD reads of the platform, which may be broken."""
    for part in ("addons", "argocd", "bootstrap"):
        shutil.copytree(PLATFORM / part, tmp_path / "platform" / part)
    for file in ("versions.yaml", "README.md"):
        shutil.copy(PLATFORM / file, tmp_path / "platform" / file)
    return tmp_path
