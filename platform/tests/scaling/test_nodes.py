"""Nodes fit the pods that are for them, and neither Karpenter nor the Descheduler cuts a drain short."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import yaml

from api_schemas import problems_of
from kustomization import built
from manifests import PLATFORM
from rendering import CLOUDS, EVERYTHING, Combination, Object, of, pick, pod_of, rendered

FOLDER = PLATFORM / "autoscaling"
POOL = "platform.chat.example.org/pool"
SPOT = "cloud.google.com/gke-spot"
KARPENTERS = ("aws", "azure")
POLICY: Object = yaml.safe_load((FOLDER / "descheduler" / "policy.yaml").read_text())
STARTS_WITHIN_S = 120
"""The startup probe's patience: so long the budget may wait for the pod that comes for one that went."""

Change = Callable[[list[Object]], None]


def pods_of(environment: str, cloud: str) -> dict[str, Object]:
    """The specs of gateways and workers."""
    those = of(Combination(environment, cloud))
    found = {
        one["metadata"]["name"].removeprefix("chat-"): one
        for one in those
        if one["kind"] in {"Rollout", "Deployment"}
    }
    return {name: one["spec"]["template"]["spec"] for name, one in found.items()}


def tolerated(taint: Object, pod: Object) -> bool:
    return any(
        one.get("key") == taint["key"]
        and (one.get("operator") == "Exists" or one.get("value") == taint.get("value"))
        and one.get("effect") in (None, taint["effect"])
        for one in pod.get("tolerations", [])
    )


def fits(pod: Object, pool: Object) -> bool:
    """Whether the scheduler would put a pod on a node of a pool."""
    template = pool["spec"]["template"]
    selected = pod.get("nodeSelector", {}).items() <= template["metadata"]["labels"].items()
    return selected and all(tolerated(taint, pod) for taint in template["spec"]["taints"])


def seconds(text: str) -> int:
    return sum(
        int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in re.findall(r"(\d+)([hms])", text)
    )


def requirement(pool: Object, ending: str) -> list[str]:
    asked = pool["spec"]["template"]["spec"]["requirements"]
    return next((list(one["values"]) for one in asked if one["key"].endswith(ending)), [])


def problems_of_pools(those: Sequence[Object], cloud: str) -> Iterator[str]:
    """What would leave a pod of the chart without a node, or a node without its time."""
    pools = {one["metadata"]["name"]: one for one in those if one["kind"] == "NodePool"}
    classes = {(one["kind"], one["metadata"]["name"]) for one in those if one["kind"].endswith("NodeClass")}
    for name, pool in pools.items():
        ref = pool["spec"]["template"]["spec"]["nodeClassRef"]
        if (ref["kind"], ref["name"]) not in classes:
            yield f"{name} is made of {ref['kind']}/{ref['name']}, which does not exist"
    for environment in ("staging", "prod"):
        for part, pod in pods_of(environment, cloud).items():
            fitting = [name for name, pool in pools.items() if fits(pod, pool)]
            if fitting != [f"{part}s"]:
                yield f"{environment}: {part} pods fit {fitting}"
        scaled = pick(of(Combination(environment, cloud)), "ScaledObject", "chat-gateway")["spec"]
        yield from _time(pools, scaled, pods_of(environment, cloud)["gateway"], environment)
    if requirement(pools["gateways"], "capacity-type") != ["on-demand"]:
        yield "gateways are on machines that may be taken back"
    if "spot" not in requirement(pools["workers"], "capacity-type"):
        yield "workers are on no spot machines"


def _time(pools: dict[str, Object], scaled: Object, pod: Object, environment: str) -> Iterator[str]:
    pool = pools["gateways"]["spec"]
    request = pod["containers"][0]["resources"]["requests"]["cpu"]
    cores = int(request[:-1]) / 1000 if request.endswith("m") else float(request)
    largest = max(int(cpu) for cpu in requirement(pools["gateways"], "-cpu"))
    # A budget of one: each of a full node's gateways goes when the one before has another in its place.
    needed = min(int(largest / cores), scaled["maxReplicaCount"]) * (
        pod["terminationGracePeriodSeconds"] + STARTS_WITHIN_S
    )
    if seconds(pool["template"]["spec"]["terminationGracePeriod"]) < needed:
        yield f"{environment}: a full node needs {needed} s to drain and is not given them"
    window = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"][
        "stabilizationWindowSeconds"
    ]
    if seconds(pool["disruption"]["consolidateAfter"]) < window:
        yield f"{environment}: nodes are put together before scale-in has decided"
    if not any(one == {"nodes": "1"} for one in pool["disruption"]["budgets"]):
        yield "more than one node of gateways may go at a time"
    if not any(
        one["nodes"] == "0" and "Underutilized" in one.get("reasons", []) for one in pool["disruption"]["budgets"]
    ):
        yield "gateways are moved to save money at any time of the day"
    if int(pool["limits"]["cpu"]) < scaled["maxReplicaCount"] * cores:
        yield f"{environment}: there is no room for {scaled['maxReplicaCount']} gateways"


@pytest.mark.usefixtures("schemas")
@pytest.mark.parametrize("cloud", KARPENTERS)
def test_every_pod_has_its_pool_and_every_node_its_time(cloud: str) -> None:
    those = built(FOLDER / "karpenter" / cloud)
    assert [problem for one in those for problem in problems_of(one)] == []
    assert list(problems_of_pools(those, cloud)) == []


def test_nothing_of_one_cloud_is_on_another() -> None:
    assert "karpenter.k8s.aws" not in yaml.safe_dump_all(built(FOLDER / "karpenter" / "azure"))
    assert "karpenter.azure.com" not in yaml.safe_dump_all(built(FOLDER / "karpenter" / "aws"))


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_gke_makes_a_pool_for_what_pods_select_and_tolerate(environment: str) -> None:
    pods = pods_of(environment, "gcp")
    for part, pod in pods.items():
        assert pod["nodeSelector"][POOL] == f"{part}s"
        # Node auto-provisioning takes a label for a pool's only where the same key and value is tolerated.
        for key, value in pod["nodeSelector"].items():
            assert tolerated({"key": key, "value": value, "effect": "NoSchedule"}, pod), key
    assert SPOT in pods["worker"]["nodeSelector"]
    assert SPOT not in pods["gateway"]["nodeSelector"]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_only_a_migration_holds_its_node(cloud: str) -> None:
    """An annotation that holds a node for ever would hold it against every update of its system too."""
    for mode in ("embedded", "cluster"):
        those = rendered(
            f"--set=mode={mode}", f"--set=cloud={cloud}", values=EVERYTHING.replace("cloud: azure\n", "")
        )
        for one, pod in ((one, pod_of(one)) for one in those):
            if pod is None:
                continue
            held = pod["metadata"].get("annotations", {}).get("karpenter.sh/do-not-disrupt")
            assert (held == "true") is one["metadata"]["name"].endswith("-migration"), one["metadata"]["name"]


def test_the_priority_that_gateways_ask_for_is_there() -> None:
    classes = yaml.safe_load_all((FOLDER / "priority.yaml").read_text())
    assert {pods_of("prod", cloud)["gateway"]["priorityClassName"] for cloud in CLOUDS} == {
        one["metadata"]["name"] for one in classes
    }


def _pool(those: list[Object], name: str) -> Any:
    return pick(those, "NodePool", name)["spec"]


BROKEN: dict[str, tuple[Change, str]] = {
    "class": (
        lambda those: _pool(those, "workers")["template"]["spec"]["nodeClassRef"].update(name="chats"),
        "which does not exist",
    ),
    "label": (
        lambda those: _pool(those, "gateways")["template"]["metadata"]["labels"].update({POOL: "gateway"}),
        "gateway pods fit []",
    ),
    "taint": (
        lambda those: _pool(those, "workers")["template"]["spec"]["taints"][0].update(value="others"),
        "worker pods fit []",
    ),
    "spot": (
        lambda those: _pool(those, "gateways")["template"]["spec"]["requirements"][0].update(values=["spot"]),
        "may be taken back",
    ),
    "no spot": (
        lambda those: _pool(those, "workers")["template"]["spec"]["requirements"][0].update(values=["on-demand"]),
        "no spot machines",
    ),
    "grace": (
        lambda those: _pool(those, "gateways")["template"]["spec"].update(terminationGracePeriod="5m"),
        "needs 1640 s to drain",
    ),
    "haste": (
        lambda those: _pool(those, "gateways")["disruption"].update(consolidateAfter="1m"),
        "before scale-in has decided",
    ),
    "budget": (
        lambda those: _pool(those, "gateways")["disruption"].update(budgets=[{"nodes": "50%"}]),
        "more than one node",
    ),
    "hours": (
        lambda those: _pool(those, "gateways")["disruption"]["budgets"].pop(),
        "to save money at any time",
    ),
    "limit": (lambda those: _pool(those, "gateways")["limits"].update(cpu="8"), "no room for 40"),
}


@pytest.mark.parametrize("change", BROKEN)
def test_a_broken_pool_is_caught(change: str) -> None:
    broken, said = BROKEN[change]
    those = copy.deepcopy(built(FOLDER / "karpenter" / "aws"))
    broken(those)
    assert said in "\n".join(problems_of_pools(those, "aws"))


@pytest.mark.usefixtures("schemas")
@pytest.mark.parametrize(
    "kind", ["NodePool", "EC2NodeClass", "AKSNodeClass", "PriorityClass", "DeschedulerPolicy"]
)
def test_a_wrong_field_is_caught_in_every_kind(kind: str) -> None:
    there = [*built(FOLDER / "karpenter" / "aws"), *built(FOLDER / "karpenter" / "azure"), POLICY]
    there += yaml.safe_load_all((FOLDER / "priority.yaml").read_text())
    one = copy.deepcopy(next(one for one in there if one["kind"] == kind))
    assert problems_of(one) == []
    one.get("spec", one)["noSuchField"] = 1
    assert problems_of(one)


def problems_of_descheduling(policy: Object) -> Iterator[str]:
    """What would end pods that are leaving, or many at once."""
    if "gracePeriodSeconds" in policy:
        yield "an evicted pod has not its own time to drain"
    if policy.get("maxNoOfPodsToEvictPerNamespace") != 1:
        yield "more than one pod of the chat goes at a time"
    longest = max(pods_of("prod", cloud)["gateway"]["terminationGracePeriodSeconds"] for cloud in CLOUDS)
    for profile in policy["profiles"]:
        configured = {one["name"]: one.get("args", {}) for one in profile["pluginConfig"]}
        evictor = configured.get("DefaultEvictor", {})
        if evictor.get("minReplicas", 0) < 2:
            yield "the only pod of a workload may be evicted"
        if seconds(evictor.get("minPodAge", "0s")) < longest:
            yield "a pod that came a moment ago may be evicted"
        protections = evictor.get("podProtections", {})
        if "PodsWithLocalStorage" not in protections.get("defaultDisabled", []):
            yield "no pod of the chat can ever be moved: each has an emptyDir"
        if not {"PodsWithPVC", "PodsWithoutPDB"} <= {*protections.get("extraEnabled", [])}:
            yield "pods with a volume, or without a budget, may be evicted"
        enabled = {name for part in profile["plugins"].values() for name in part.get("enabled", [])}
        if missing := enabled ^ (configured.keys() - {"DefaultEvictor"}):
            yield f"{', '.join(sorted(missing))} is configured or enabled, and not both"


def test_the_descheduler_leaves_draining_pods_alone() -> None:
    assert list(problems_of_descheduling(POLICY)) == []


def test_the_descheduler_has_this_policy_and_no_other() -> None:
    """Its chart makes a ConfigMap of the same name, unless the add-on says that there is no policy."""
    (made,) = yaml.safe_load((FOLDER / "descheduler" / "kustomization.yaml").read_text())["configMapGenerator"]
    assert made == {"name": "descheduler", "files": ["policy.yaml"]}
    values = PLATFORM / "addons" / "descheduler" / "values.yaml"
    told = yaml.safe_load(values.read_text()) if values.is_file() else {"deschedulerPolicy": None}
    assert told["deschedulerPolicy"] is None


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("gracePeriodSeconds",), 10, "not its own time"),
        (("maxNoOfPodsToEvictPerNamespace",), 5, "more than one pod"),
        (("profiles", 0, "pluginConfig", 0, "args", "minReplicas"), 1, "the only pod"),
        (("profiles", 0, "pluginConfig", 0, "args", "minPodAge"), "30s", "a moment ago"),
        (("profiles", 0, "pluginConfig", 0, "args", "podProtections"), {}, "can ever be moved"),
        (("profiles", 0, "plugins", "balance", "enabled"), ["RemoveDuplicates"], "and not both"),
    ],
)
def test_a_broken_policy_is_caught(path: tuple[Any, ...], value: object, said: str) -> None:
    policy = copy.deepcopy(POLICY)
    place: Any = policy
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    assert said in "\n".join(problems_of_descheduling(policy))
