"""Namespaces are as closed as what runs in them allows, and have bounds, with room for the largest chat."""

from __future__ import annotations

import copy
from fractions import Fraction

import pytest
import yaml
from security_rooms import CLUSTERS, SECURITY, WORKLOAD, Cluster, of_chat, of_kind, of_room

from manifests import PLATFORM
from own_kinds import problems
from rendering import Object, pick, pod_of

PRIVILEGED = {"kube-system", "istio-system", "observability", "velero", "litmus"}
BASELINE = {"trivy-system"}
MESH = {"chat", "istio-ingress", "istio-eastwest"}
ENFORCE = "pod-security.kubernetes.io/enforce"

# What Istio puts beside every pod of the mesh (istiod's values bound it).
SIDECAR = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}
_UNITS = {"": 1, "m": Fraction(1, 1000), "Mi": 2**20, "Gi": 2**30}


def namespaces(cluster: Cluster) -> dict[str, Object]:
    return {one["metadata"]["name"]: one for one in of_kind(of_room("namespaces", cluster), "Namespace")}


def amount(text: str) -> Fraction:
    """A quantity of Kubernetes as a number."""
    digits = text.rstrip("mMGi")
    return Fraction(digits) * _UNITS[text[len(digits) :]]


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_pod_security_is_restricted_where_it_can_be(cluster: Cluster) -> None:
    levels = {name: one["metadata"]["labels"][ENFORCE] for name, one in namespaces(cluster).items()}
    assert {name for name, level in levels.items() if level == "privileged"} == PRIVILEGED & levels.keys()
    assert {name for name, level in levels.items() if level == "baseline"} == BASELINE & levels.keys()
    assert {*levels.values()} <= {"privileged", "baseline", "restricted"}


@pytest.mark.parametrize("name", sorted(PRIVILEGED | BASELINE))
def test_an_exception_has_its_reason_beside_it(name: str) -> None:
    text = (SECURITY / "namespaces" / name / "namespace.yaml").read_text()
    level = "baseline" if name in BASELINE else "privileged"
    (reason,) = (line for line in text.splitlines() if line.startswith(f"# {level}: "))
    assert len(reason.split()) > 8
    assert "pod-security.kubernetes.io/audit: restricted" in text


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_namespaces_say_whose_and_where_they_are(cluster: Cluster) -> None:
    for name, one in namespaces(cluster).items():
        labels = one["metadata"]["labels"]
        assert labels["platform.chat.example.org/environment"] == cluster.environment
        assert labels["platform.chat.example.org/cloud"] == cluster.cloud
        assert labels["app.kubernetes.io/part-of"] == ("chat" if name.split("-")[0] == "chat" else "platform")
        injected = labels.get("istio-injection")
        assert injected == ("enabled" if name in MESH else None if name == "kube-system" else "disabled"), name
    network = namespaces(cluster)["istio-system"]["metadata"]["labels"]["topology.istio.io/network"]
    assert network == f"{cluster.environment}-{cluster.cloud}"


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_nobody_is_entered_from_outside_but_the_gateways(cluster: Cluster) -> None:
    those = of_room("namespaces", cluster)
    hard = {
        one["metadata"]["namespace"]: one["spec"]["hard"]
        for one in of_kind(those, "ResourceQuota")
        if one["metadata"]["name"] in {"entrance", "no-pods"}
    }
    assert hard.keys() == namespaces(cluster).keys() - {"kube-system"}
    entered = {name for name, some in hard.items() if some.get("services.loadbalancers", "0") != "0"}
    assert entered == {"istio-ingress", "istio-eastwest"} & hard.keys()
    bounded = {one["metadata"]["namespace"] for one in of_kind(those, "LimitRange")}
    assert bounded == {name for name, some in hard.items() if "pods" not in some}


@pytest.mark.parametrize("cluster", WORKLOAD, ids=str)
def test_the_quota_has_room_for_the_largest_chat_and_for_its_update(cluster: Cluster) -> None:
    quota = pick(of_room("namespaces", cluster), "ResourceQuota", "size")["spec"]["hard"]
    need = largest(cluster)
    for key, needed in need.items():
        assert needed <= amount(quota[key]), f"{key}: {float(needed)}"
        # Room, and not all the room there is: a runaway is stopped within reach.
        assert amount(quota[key]) <= 4 * needed, f"{key}: {float(needed)}"


def largest(cluster: Cluster) -> dict[str, Fraction]:
    """What all pods of the chat take when autoscaling has made the most of them, and each is being updated."""
    most = {
        one["spec"]["scaleTargetRef"]["name"]: one["spec"]["maxReplicaCount"]
        for one in of_kind(of_chat(cluster), "ScaledObject")
    }
    need = dict.fromkeys(("requests.cpu", "requests.memory", "limits.memory", "pods"), Fraction(0))
    for one in of_chat(cluster):
        pod = pod_of(one)
        if pod is not None:
            strategy = one["spec"].get("strategy", {})
            surge = (strategy.get("canary") or strategy.get("rollingUpdate") or {}).get("maxSurge", 0)
            count = most.get(one["metadata"]["name"], one["spec"].get("replicas", 1)) + surge
            need["pods"] += count
            for part in [*(container["resources"] for container in pod["spec"]["containers"]), SIDECAR]:
                need["requests.cpu"] += count * amount(part["requests"]["cpu"])
                need["requests.memory"] += count * amount(part["requests"]["memory"])
                need["limits.memory"] += count * amount(part["limits"]["memory"])
    return need


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_addons_find_their_namespaces(cluster: Cluster) -> None:
    wanted = set()
    for path in (PLATFORM / "addons").glob("*/addon.yaml"):
        addon = yaml.safe_load(path.read_text())["addon"]
        here = {"all": True, "workload": cluster.runs_chat, "mgmt": not cluster.runs_chat}[addon["clusters"]]
        where = {*addon.get("environments", [cluster.environment]), "mgmt"}
        if here and cluster.cloud in addon["clouds"] and cluster.environment in where:
            wanted.add(addon["namespace"])
    assert wanted <= namespaces(cluster).keys()
    assert ("litmus" in namespaces(cluster)) == ("litmus" in wanted), "a namespace for faults, where none are made"


@pytest.mark.usefixtures("schemas")
@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_the_apis_take_what_is_rendered(cluster: Cluster) -> None:
    found = [
        f"{room}: {one['kind']}/{one['metadata']['name']} {problem}"
        for room in cluster.rooms
        for one in of_room(room, cluster)
        for problem in problems(one)
    ]
    assert not found


@pytest.mark.usefixtures("schemas")
def test_a_field_that_does_not_exist_is_caught_in_every_kind() -> None:
    seen = set()
    for cluster in CLUSTERS:
        for one in (one for room in cluster.rooms for one in of_room(room, cluster) if one["kind"] not in seen):
            broken = copy.deepcopy(one)
            broken.get("spec", broken)["noSuchField"] = 1
            assert problems(broken), one["kind"]
            assert problems({**one, "kind": f"{one['kind']}s"}), one["kind"]
            assert problems({**one, "apiVersion": f"{one['apiVersion']}beta9"}), one["kind"]
            seen.add(one["kind"])
    assert len(seen) > 25
