"""In every environment scale-in waits for drains: computed from what is rendered."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rendering import CLOUDS, Combination, Object, Refused, of, pick, rendered

SCALED = [Combination(environment, cloud) for environment in ("staging", "prod") for cloud in CLOUDS]
HPA_ALLOWS_S = {"periodSeconds": 1800, "stabilizationWindowSeconds": 3600}
"""The longest that Kubernetes takes; no schema of KEDA's says so."""


def problems_of_scale_in(those: Sequence[Object]) -> list[str]:
    """What would have a pod go while another one drains, or be killed while it does."""
    found = []
    settings = pick(tuple(those), "ConfigMap")["data"]
    for scaled in (one for one in those if one["kind"] in {"ScaledObject", "HorizontalPodAutoscaler"}):
        name, spec = scaled["metadata"]["name"], scaled["spec"]
        behavior = spec.get("behavior") or spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        down, up = behavior["scaleDown"], behavior["scaleUp"]
        pod = pick(tuple(those), spec["scaleTargetRef"]["kind"], name)["spec"]["template"]["spec"]
        grace = pod["terminationGracePeriodSeconds"]
        pause = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        drained = pause + sum(int(settings[f"CHAT_DRAIN_{part}_S"]) for part in ("NOTICE", "CLOSE"))
        if grace < drained:
            found.append(f"{name} is killed after {grace} s and drains for {drained} s")
        if down["stabilizationWindowSeconds"] < drained:
            found.append(
                f"{name} decides by connections that are on their way: its window is shorter than a drain"
            )
        for policy in down["policies"]:
            if policy["type"] != "Pods" or policy["value"] != 1:
                found.append(f"{name} takes more than one pod away at a time")
            if policy["periodSeconds"] < grace:
                found.append(
                    f"{name} has the next one go after {policy['periodSeconds']} s, the one before has {grace} s"
                )
        for half in (up, down):
            told = [
                ("stabilizationWindowSeconds", half),
                *(("periodSeconds", policy) for policy in half["policies"]),
            ]
            found += [
                f"{name}: {key} is more than Kubernetes takes" for key, of in told if of[key] > HPA_ALLOWS_S[key]
            ]
        if down.get("selectPolicy") == "Max" and len(down["policies"]) > 1:
            found.append(f"{name} takes the fastest of its policies")
    return found


@pytest.mark.parametrize("combination", SCALED, ids=str)
def test_the_next_gateway_goes_when_the_one_before_has_gone(combination: Combination) -> None:
    those = of(combination)
    assert sum(one["kind"] == "ScaledObject" for one in those) == 2
    assert problems_of_scale_in(those) == []


@pytest.mark.parametrize("by", ["hpa", "keda"])
@pytest.mark.parametrize("drain", [6, 12, 60, 600, 1775])
@pytest.mark.parametrize("window", [0, 3600])
def test_so_it_is_for_every_drain_and_every_patience(by: str, drain: int, window: int) -> None:
    given = (f"--set=autoscaling.by={by}", f"--set=drainSeconds={drain}")
    assert problems_of_scale_in(cluster(*given, f"--set=autoscaling.gateway.scaleDownAfterSeconds={window}")) == []


def test_a_drain_that_no_autoscaler_can_wait_for_is_refused() -> None:
    with pytest.raises(Refused, match="1775 or less"):
        cluster("--set=autoscaling.by=keda", "--set=drainSeconds=1776")
    assert cluster("--set=drainSeconds=3600")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("policies", [{"type": "Pods", "value": 1, "periodSeconds": 60}], "has the next one go after 60 s"),
        ("policies", [{"type": "Percent", "value": 50, "periodSeconds": 300}], "more than one pod"),
        ("stabilizationWindowSeconds", 30, "shorter than a drain"),
        ("stabilizationWindowSeconds", 7200, "more than Kubernetes takes"),
    ],
)
def test_a_broken_copy_is_caught(path: str, value: object, said: str) -> None:
    those = rendered(*Combination("prod", "gcp").arguments)
    scaled = pick(those, "ScaledObject", "chat-gateway")["spec"]["advanced"]["horizontalPodAutoscalerConfig"]
    scaled["behavior"]["scaleDown"][path] = value
    assert said in "\n".join(problems_of_scale_in(those))


def test_a_grace_that_is_too_short_is_caught() -> None:
    those = rendered(*Combination("prod", "gcp").arguments)
    pick(those, "Rollout", "chat-gateway")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 30
    assert "is killed after 30 s and drains for 60 s" in "\n".join(problems_of_scale_in(those))


@pytest.mark.parametrize("combination", SCALED, ids=str)
def test_gateways_follow_connections_the_lag_of_delivery_and_cpu(combination: Combination) -> None:
    spec = pick(of(combination), "ScaledObject", "chat-gateway")["spec"]
    triggers = {one["name"]: one for one in spec["triggers"]}
    assert triggers.keys() == {"connections", "delivery", "cpu"}
    assert "sum(chat_connections" in triggers["connections"]["metadata"]["query"]
    delivery = triggers["delivery"]
    assert (delivery["metricType"], delivery["metadata"]["threshold"]) == ("Value", "0.8")
    assert "/ 0.2)" in delivery["metadata"]["query"], "the query is the share of the 200 ms that is used"
    assert triggers["cpu"]["metricType"] == "Utilization"


@pytest.mark.parametrize("combination", SCALED, ids=str)
def test_workers_follow_the_lag_of_the_stream(combination: Combination) -> None:
    (trigger,) = pick(of(combination), "ScaledObject", "chat-worker")["spec"]["triggers"]
    assert trigger["metadata"]["query"] == 'max(chat_jobs_waiting{namespace="chat",service="chat-worker"})'
    assert trigger["metricType"] == "AverageValue"


@pytest.mark.parametrize("combination", SCALED, ids=str)
def test_without_metrics_a_tier_stays_as_large_as_it_is(combination: Combination) -> None:
    for one in (one for one in of(combination) if one["kind"] == "ScaledObject"):
        spec = one["spec"]
        fallback = spec["fallback"]
        assert fallback["behavior"] == "currentReplicasIfHigher"
        assert fallback["replicas"] == spec["minReplicaCount"]
        for trigger in spec["triggers"]:
            if trigger["type"] == "prometheus":
                # A query that gives nothing has to fail, or say on purpose that nothing is no load.
                given = trigger["metadata"]
                assert given.get("ignoreNullValues") == "false" or given["query"].endswith("or vector(0)")


def cluster(*arguments: str) -> list[Object]:
    return rendered("--set=mode=cluster", "--set=persistence.enabled=false", *arguments)
