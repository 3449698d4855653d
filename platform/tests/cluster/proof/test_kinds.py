"""The API server takes every object of the platform, with the kinds of the add-ons as they describe them."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import TYPE_CHECKING

import msgspec.yaml
import pytest
from security_rooms import CLUSTERS, of_chat, of_cluster

from cluster import report
from cluster.kinds import descriptions, kind_of, known, pinned, refused
from cluster.namespaces import there
from manifests import PLATFORM, objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cluster.kubectl import Kubectl, Object

# Made by Gatekeeper of the templates: test_admission. And read by gator alone.
ELSEWHERE = {"constraints.gatekeeper.sh", "test.gatekeeper.sh"}
# The add-ons' names in versions.yaml where the modules are not called so.
CHARTS = {
    "karpenter-provider-aws": "karpenter",
    "karpenter-provider-azure": "karpenter-azure",
    "prometheus-operator": "prometheus-operator-crds",
    "api": "istio-base",
}


@cache
def own() -> tuple[Object, ...]:
    """The custom resources of all clusters as rendered, and those of plain manifests, each once."""
    rendered = [one for cluster in CLUSTERS for one in (*of_cluster(cluster), *of_chat(cluster))]
    plain = [one.content for one in objects() if "security" not in one.path.relative_to(PLATFORM).parts]
    listed = {json.dumps(one, sort_keys=True): one for one in (*rendered, *plain) if _is_custom(one)}
    return tuple(listed.values())


def _is_custom(one: Object) -> bool:
    group = str(one["apiVersion"]).rpartition("/")[0]
    ours = "." in group and (not group.endswith(".k8s.io") or group == "gateway.networking.k8s.io")
    return "metadata" in one and ours and group not in ELSEWHERE and not group.startswith("kind.")


@pytest.fixture(scope="module")
def installed(bare: Kubectl) -> Iterator[Kubectl]:
    """The cluster with every kind that is to be had."""
    spaces = {one["metadata"].get("namespace", "default") for one in own()}
    with there(bare, spaces), known(bare, {kind_of(one) for one in own()}):
        yield bare


def test_every_object_is_taken(installed: Kubectl, judged: Callable[[str, str], None]) -> None:
    kinds = {kind_of(one) for one in own()}
    lacking = sorted(kinds - {*descriptions()})
    asked = [one for one in own() if kind_of(one) not in lacking]
    assert not refused(installed, asked)
    assert not lacking
    told = f"{len(asked)} objects of {len(kinds)} kinds: all are taken"
    judged(f"custom resources of {len(CLUSTERS)} clusters, dry run by the server", told)


@pytest.fixture(scope="module")
def counted(judged: Callable[[str, str], None]) -> Iterator[Callable[[], object]]:
    """What counts a kind of which a broken object was refused."""
    assert judged is report.judge
    kinds = {kind_of(one) for one in own()}
    with report.counting("an object of each kind with a word too many", len(kinds), "are refused") as count:
        yield count


@pytest.mark.parametrize("kind", sorted({kind_of(one) for one in own()}))
def test_an_object_with_a_word_too_many_is_refused(
    installed: Kubectl, kind: str, counted: Callable[[], object]
) -> None:
    broken = copy.deepcopy(next(one for one in own() if kind_of(one) == kind))
    broken["spec"] = {**broken.get("spec", {}), "noSuchField": 1}
    (said,) = refused(installed, [broken])
    assert "noSuchField" in said
    counted()


def test_the_kinds_are_those_of_the_versions_that_are_installed() -> None:
    charts = msgspec.yaml.decode((PLATFORM / "versions.yaml").read_bytes())
    for module, version in pinned().items():
        name = next(part for part in reversed(module.split("/")) if not part.startswith("v") or len(part) > 2)
        if name == "gateway-api":
            said = charts["sources"]["https://github.com/kubernetes-sigs/gateway-api"]["version"].removeprefix("v")
        else:
            chart = charts["charts"][CHARTS.get(name, name)]
            said = chart["app"] if name != "external-secrets" else chart["proven"]
        assert said == version, module
