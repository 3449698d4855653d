"""The order of changes: each application has its turn, dev before staging before prod, kinds before users."""

from __future__ import annotations

from typing import Any

import pytest

from gitops import applications, load
from manifests import PLATFORM, objects

ORDER = ["mgmt", "dev", "staging", "prod"]
ENVIRONMENT, WAVE = "platform.chat.example.org/environment", "platform.chat.example.org/wave"
SETS = {
    one.content["metadata"]["name"]: one.content["spec"]
    for one in objects(PLATFORM / "argocd")
    if one.content["kind"] == "ApplicationSet"
}


def steps(name: str) -> list[dict[str, Any]]:
    """The steps of a set, each as what it takes by label, and how many at once."""
    return [
        {
            **{rule["key"]: rule["values"] for rule in step["matchExpressions"]},
            "at once": step.get("maxUpdate"),
        }
        for step in SETS[name]["strategy"]["rollingSync"]["steps"]
    ]


@pytest.mark.usefixtures("argocd")
def test_every_application_has_its_turn_once() -> None:
    """What no step takes is never synced; what two take is synced with the first of them."""
    for one in applications():
        turns = [
            step
            for step in steps(one.set)
            if all(one.labels.get(key) in values for key, values in step.items() if key != "at once")
        ]
        assert len(turns) == 1, f"{one.name} has {len(turns)} turns"


@pytest.mark.parametrize("name", SETS)
def test_production_comes_last_and_bit_by_bit(name: str) -> None:
    # The API takes any word here, and with another one the set syncs everything at once.
    assert SETS[name]["strategy"]["type"] == "RollingSync"
    environments = [step[ENVIRONMENT] for step in steps(name)]
    assert all(len(one) == 1 for one in environments)
    order = [ORDER.index(one) for (one,) in environments]
    assert order == sorted(order)
    assert all(step["at once"] == 1 for step in steps(name) if step[ENVIRONMENT] == ["prod"])


@pytest.mark.parametrize("name", ["addons", "manifests"])
def test_waves_follow_each_other_in_every_environment(name: str) -> None:
    for environment in ORDER:
        waves = [step[WAVE] for step in steps(name) if step[ENVIRONMENT] == [environment]]
        assert waves == [["0"], ["1"], ["2"], ["3"], ["4"]]


def test_what_others_need_comes_before_them() -> None:
    def wave(addon: str) -> int:
        return int(load(PLATFORM / "addons" / addon / "addon.yaml")["addon"]["wave"])

    for first, then in (
        ("prometheus-operator-crds", "kube-prometheus-stack"),
        ("istio-base", "istiod"),
        ("istiod", "istio-ingress"),
        ("istiod", "istio-eastwest"),
        ("cilium", "cert-manager"),
        # Their certificates are its, and their monitors its kinds'.
        ("cert-manager", "keda"),
        ("prometheus-operator-crds", "cilium"),
    ):
        assert wave(first) < wave(then), f"{first} has to come before {then}"


@pytest.mark.parametrize("name", SETS)
def test_nothing_is_deleted_because_a_file_is(name: str) -> None:
    assert SETS[name]["syncPolicy"]["preserveResourcesOnDeletion"] is True
    assert "finalizers" not in SETS[name]["template"]["metadata"]


@pytest.mark.parametrize("name", SETS)
def test_a_missing_value_is_an_error_and_not_an_empty_name(name: str) -> None:
    assert SETS[name]["goTemplate"] is True
    assert SETS[name]["goTemplateOptions"] == ["missingkey=error"]


def test_progressive_syncs_and_globbing_are_switched_on() -> None:
    """Without the one the sets sync all at once, without the other their paths find no cluster."""
    parameters = load(PLATFORM / "bootstrap" / "argocd-values.yaml")["configs"]["params"]
    assert parameters["applicationsetcontroller.enable.progressive.syncs"] == "true"
    assert parameters["applicationsetcontroller.enable.new.git.file.globbing"] == "true"
