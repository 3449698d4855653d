"""Every manifest of the platform is what the real APIs take, and every YAML file is of a known kind."""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

from manifests import PLATFORM, documents, objects
from own_kinds import problems

PLAIN: tuple[str, ...] = (
    "versions.yaml",
    "addons/*/addon.yaml",
    "addons/*/values*.yaml",
    "argocd/chat/*.yaml",
    "argocd/clusters/*.yaml",
    "argocd/manifests/*.yaml",
    "bootstrap/argocd-values.yaml",
    "observability/dashboards/Chart.yaml",
    "recovery/order.yaml",
    "*/kustomization.yaml",
    "security/rbac/table.yaml",
    "security/trivy/*.yaml",
)
"""Files that hold values or lists of ours rather than Kubernetes objects, as patterns below platform/."""


@pytest.mark.usefixtures("schemas")
def test_the_apis_take_every_manifest() -> None:
    """Fields and values by the schemas of the versions that are installed, and the rules (CEL) in them."""
    found = [f"{one}: {problem}" for one in objects() for problem in problems(one.content)]
    assert not found, "\n".join(found)


def test_every_file_is_of_a_known_kind() -> None:
    """An object without its kind would be taken for values, and be looked at by nobody."""
    strange = [
        str(one)
        for one in documents()
        if not one.is_object and not any(fnmatch(str(one.path.relative_to(PLATFORM)), plain) for plain in PLAIN)
    ]
    assert not strange
