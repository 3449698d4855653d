"""Add-ons say what they are in one form; their values hold to the rules for images, rights and secrets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from version_mentions import images

from gitops import addons, folders, load, meant_for
from manifests import CLOUDS, ENVIRONMENTS, PLATFORM

ADDONS = addons()
NEEDED = {"name", "chart", "repository", "version", "namespace", "wave", "project", "clusters", "clouds", "reach"}
MAY = NEEDED | {"environments", "clusterValues"}
VALUES = sorted((PLATFORM / "addons").glob("*/values*.yaml"))
# The owner's list; Istio and Karpenter are more than one chart.
WANTED = {
    *("cilium", "istio-base", "istiod", "istio-cni", "istio-ingress", "istio-eastwest"),
    *("gatekeeper", "cert-manager", "external-secrets", "trivy-operator", "policy-controller"),
    *("keda", "karpenter", "karpenter-azure", "descheduler", "metrics-server"),
    *("prometheus-operator-crds", "kube-prometheus-stack", "loki", "tempo", "alloy", "opencost"),
    *("velero", "argo-rollouts", "litmus"),
}


def test_the_addons_are_those_that_the_platform_stands_on() -> None:
    assert ADDONS.keys() == WANTED


@pytest.mark.parametrize("name", ADDONS)
def test_an_addon_says_what_it_is(name: str) -> None:
    addon = ADDONS[name]
    assert NEEDED <= set(addon) <= MAY
    assert addon["project"] in {"platform", "security", "observability"}
    assert set(addon["clouds"]) <= set(CLOUDS)
    assert set(addon.get("environments", [])) <= set(ENVIRONMENTS)
    # Labels are strings.
    assert addon["wave"] in {"0", "1", "2", "3", "4"}
    assert set(addon["reach"]) == {"namespaces", "kinds"}
    # The management cluster is on one cloud, and found by its name, whatever clouds are listed.
    assert "mgmt" not in meant_for(addon) or "aws" in addon["clouds"]
    text = (PLATFORM / "addons" / name / "addon.yaml").read_text()
    assert text.startswith("# ")


@pytest.mark.parametrize("name", folders())
def test_a_folder_says_what_it_is(name: str) -> None:
    folder = folders()[name]
    needed = {"name", "path", "project", "namespace", "wave", "clusters", "clouds", "reach"}
    assert needed <= set(folder) <= needed | {"components", "repository", "revision"}


@pytest.mark.parametrize("path", VALUES, ids=lambda path: "-".join(path.parts[-2:]))
def test_values_say_why_and_differ_by_a_known_place(path: Any) -> None:
    assert path.read_text().startswith("# ")
    assert path.stem.removeprefix("values").removeprefix("-") in {"", "mgmt", *CLOUDS, *ENVIRONMENTS}
    assert isinstance(load(path), dict)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{path}[{number}]")
    else:
        yield path, value


@pytest.mark.parametrize("path", VALUES, ids=lambda path: "-".join(path.parts[-2:]))
def test_a_file_for_a_place_repeats_nothing(path: Any) -> None:
    """Differences only: what the add-on has anyway is not said again."""
    base = path.with_name("values.yaml")
    if path == base:
        return
    anyway = set(map(str, _leaves(load(base))))
    again = [leaf for leaf in map(str, _leaves(load(path))) if leaf in anyway]
    # A list is replaced whole, so what is in one has to be said again.
    assert not [leaf for leaf in again if "[" not in leaf], path


@pytest.mark.parametrize("path", VALUES, ids=lambda path: "-".join(path.parts[-2:]))
def test_images_are_named_in_full(path: Any) -> None:
    for name, tag in images(load(path)):
        assert "." in name.split("/")[0], f"{name} does not say its registry"
        assert tag != "latest"
    for where, value in _leaves(load(path)):
        if where.endswith((".repository", ".crdRepository")):
            assert "." in str(value).split("/")[0], f"{value} does not say its registry"


@pytest.mark.parametrize("path", VALUES, ids=lambda path: "-".join(path.parts[-2:]))
def test_no_values_hold_a_secret_or_a_privilege(path: Any) -> None:
    for where, value in _leaves(load(path)):
        assert not (where.endswith(".privileged") and value), where
        assert not (where.endswith(".allowPrivilegeEscalation") and value), where
        assert not (where.rsplit(".", 1)[-1] in {"password", "token", "secretAccessKey"} and value), where


def test_what_asks_for_memory_has_a_limit_for_it() -> None:
    def boxes(value: Any) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict):
            if "requests" in value and "memory" in (value["requests"] or {}):
                yield value
            for item in value.values():
                yield from boxes(item)

    for path in VALUES:
        for box in boxes(load(path)):
            assert "memory" in box.get("limits", {}), f"{path} lets {box} grow without end"


def test_the_mesh_is_one_for_each_environment_and_the_door_between_clouds_is_internal() -> None:
    mesh = load(PLATFORM / "addons" / "istiod" / "values.yaml")
    assert mesh["meshConfig"]["enableAutoMtls"] is True
    assert load(PLATFORM / "addons" / "cilium" / "values.yaml")["cni"]["exclusive"] is False
    for cloud in CLOUDS:
        door = load(PLATFORM / "addons" / "istio-eastwest" / f"values-{cloud}.yaml")
        assert "nternal" in str(door["service"]["annotations"]) or "internal" in str(
            door["service"]["annotations"]
        )


def test_production_survives_the_loss_of_a_node() -> None:
    """What others wait for has more than one replica there."""
    several = {
        "istiod": ("autoscaleMin",),
        "istio-ingress": ("autoscaling", "minReplicas"),
        "istio-eastwest": ("autoscaling", "minReplicas"),
        "gatekeeper": ("replicas",),
        "cert-manager": ("webhook", "replicaCount"),
        "external-secrets": ("webhook", "replicaCount"),
        "keda": ("metricsServer", "replicaCount"),
        "kube-prometheus-stack": ("prometheus", "prometheusSpec", "replicas"),
        "policy-controller": ("webhook", "replicaCount"),
        "argo-rollouts": ("controller", "replicas"),
        "metrics-server": ("replicas",),
    }
    for name, keys in several.items():
        value = load(PLATFORM / "addons" / name / "values-prod.yaml")
        for key in keys:
            value = value[key]
        assert value > 1, name
