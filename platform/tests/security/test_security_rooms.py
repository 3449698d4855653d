"""Every file of platform/security is part of something: nothing lies there that no cluster is given."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from security_rooms import (
    CLUSTERS,
    EVERYWHERE,
    SECURITY,
    WORKLOAD_ONLY,
    Cluster,
    of_room,
    room,
)

from kustomization import NotRendered, built

ROOMS = (*EVERYWHERE, *WORKLOAD_ONLY)
# Read by people, by gator and by Trivy, and given to no cluster.
BESIDE = ("gatekeeper/*/tests/*", "gatekeeper/*/suite.yaml", "rbac/table.yaml", "secrets/samples/*", "trivy/*")


def included(folder: Path, seen: set[Path]) -> None:
    """Note every file that a kustomization comes to."""
    kustomization = folder / "kustomization.yaml"
    if kustomization in seen:
        return
    seen.add(kustomization)
    content = yaml.safe_load(kustomization.read_text())
    for name in (*content.get("resources", []), *content.get("components", [])):
        path = (folder / name).resolve()
        if path.is_dir():
            included(path, seen)
        else:
            seen.add(path)


def test_every_file_is_given_to_somebody() -> None:
    seen: set[Path] = set()
    for name in ROOMS:
        included(SECURITY / name, seen)
        for folder in sorted((SECURITY / name).glob("environments/*")) + sorted(
            (SECURITY / name).glob("clouds/*")
        ):
            included(folder, seen)
    beside = {path for pattern in BESIDE for path in SECURITY.glob(pattern)}
    lying = {str(path.relative_to(SECURITY)) for path in SECURITY.rglob("*.yaml")} - {
        str(path.relative_to(SECURITY)) for path in seen | beside
    }
    assert not lying


def test_every_file_says_its_subject_first() -> None:
    silent = [path for path in SECURITY.rglob("*.yaml") if not path.read_text().startswith("# ")]
    assert not silent


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_no_object_is_there_twice(cluster: Cluster) -> None:
    names = [
        (one["apiVersion"], one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"])
        for name in cluster.rooms
        for one in of_room(name, cluster)
    ]
    assert len({*names}) == len(names)


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_objects_live_in_namespaces_that_are_there(cluster: Cluster) -> None:
    there = {one["metadata"]["name"] for one in of_room("namespaces", cluster) if one["kind"] == "Namespace"}
    used = {one["metadata"].get("namespace") for name in cluster.rooms for one in of_room(name, cluster)}
    assert used - {None} <= there


@pytest.mark.parametrize("name", ROOMS)
def test_environments_and_clouds_are_known_ones(name: str) -> None:
    for kind, known in (
        ("environments", {cluster.environment for cluster in CLUSTERS}),
        ("clouds", {cluster.cloud for cluster in CLUSTERS}),
    ):
        assert {path.name for path in (SECURITY / name).glob(f"{kind}/*")} <= known


def test_a_kustomization_with_a_field_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    copied = shutil.copytree(SECURITY, tmp_path / "security")
    file = copied / "rbac" / "environments" / "prod" / "kustomization.yaml"
    room("rbac", Cluster("prod", "aws"), copied)
    file.write_text(file.read_text().replace("resources:", "resource:"))
    with pytest.raises(NotRendered):
        room("rbac", Cluster("prod", "aws"), copied)


def test_a_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    copied = shutil.copytree(SECURITY / "mesh", tmp_path / "mesh")
    (copied / "deny-all.yaml").unlink()
    with pytest.raises(NotRendered):
        built(copied)
