"""Argo CD's settings, judged by its own code: the health of our kinds, who may do what, what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from gitops import Refused, asked, load
from manifests import PLATFORM

pytestmark = pytest.mark.usefixtures("argocd")

CONFIGURATION = load(PLATFORM / "bootstrap" / "argocd-values.yaml")["configs"]
KINDS = ("ChatEnvironment", "KubernetesCluster", "Network", "DocumentDatabase", "Cache", "ObjectStore")


def claim(kind: str = "Cache", generation: int = 3, **conditions: Any) -> dict[str, Any]:
    """One of our kinds with conditions: type = (status, reason, message, observed generation)."""
    said = [
        {"type": name, "status": status, "reason": reason, "message": message, "observedGeneration": seen}
        for name, (status, reason, message, seen) in conditions.items()
    ]
    return {
        "apiVersion": "platform.chat.example.org/v1alpha1",
        "kind": kind,
        "metadata": {"name": "chat", "namespace": "prod", "generation": generation},
        **({"status": {"conditions": said}} if said else {}),
    }


def health(*objects: dict[str, Any], customizations: str = CONFIGURATION["cm"]["resource.customizations"]) -> Any:
    """What the scripts say."""
    return asked("health", question={"customizations": customizations, "objects": list(objects)})


GOOD = ("True", "ReconcileSuccess", "", 3)
READY = ("True", "Available", "", 3)


@pytest.mark.parametrize("kind", KINDS)
def test_each_of_our_kinds_has_a_health(kind: str) -> None:
    assert health(claim(kind, Synced=GOOD, Ready=READY)) == [{"status": "Healthy", "message": ""}]


@pytest.mark.parametrize(
    ("conditions", "status", "message"),
    [
        ({}, "Progressing", "has not looked"),
        ({"Synced": GOOD}, "Progressing", "has not looked"),
        (
            {"Synced": GOOD, "Ready": ("False", "Creating", "waiting for the subnet", 3)},
            "Progressing",
            "the subnet",
        ),
        ({"Synced": GOOD, "Ready": ("False", "Unavailable", "no endpoint", 3)}, "Degraded", "no endpoint"),
        (
            {"Synced": ("False", "ReconcileError", "no such region", 3), "Ready": READY},
            "Degraded",
            "no such region",
        ),
        ({"Synced": ("False", "ReconcilePaused", "", 3), "Ready": READY}, "Suspended", "annotation"),
        # It was ready before it was changed: that says nothing of the change.
        ({"Synced": GOOD, "Ready": ("True", "Available", "", 2)}, "Progressing", "has not looked"),
    ],
)
def test_a_claim_is_as_healthy_as_crossplane_says(conditions: dict[str, Any], status: str, message: str) -> None:
    (said,) = health(claim(**conditions))
    assert said["status"] == status
    assert message in said["message"]


def test_conditions_without_a_generation_count() -> None:
    old = claim(Synced=GOOD, Ready=READY)
    for condition in old["status"]["conditions"]:
        del condition["observedGeneration"]
    assert health(old)[0]["status"] == "Healthy"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('is("Healthy")', 'is("Helthy")'),
        ("ready.status", "redy.status"),
        ("platform.chat.example.org/*", "platfrm/*"),
    ],
)
def test_a_broken_script_is_caught(right: str, wrong: str) -> None:
    broken = CONFIGURATION["cm"]["resource.customizations"]
    assert right in broken
    try:
        said = health(claim(Synced=GOOD, Ready=READY), customizations=broken.replace(right, wrong))
    except Refused:
        return
    assert said != [{"status": "Healthy", "message": ""}]


DEVELOPER, OPERATOR, ENGINEER, NOBODY = "chat-developers", "chat-operators", "chat-platform", "somebody"
# Subject, resource, action, object, and whether it may.
TABLE = [
    (DEVELOPER, "applications", "get", "chat-prod/chat-prod-aws", True),
    (DEVELOPER, "applications", "sync", "chat-dev/chat-dev-aws", True),
    (DEVELOPER, "applications", "sync", "chat-staging/chat-staging-aws", False),
    (DEVELOPER, "applications", "sync", "chat-prod/chat-prod-aws", False),
    (DEVELOPER, "applications", "get", "platform/istiod-dev-aws", False),
    (DEVELOPER, "logs", "get", "chat-dev/chat-dev-aws", True),
    (DEVELOPER, "logs", "get", "chat-prod/chat-prod-aws", False),
    (DEVELOPER, "applications", "action/argoproj.io/Rollout/abort", "chat-prod/chat-prod-aws", False),
    (DEVELOPER, "exec", "create", "chat-dev/chat-dev-aws", False),
    (OPERATOR, "applications", "get", "security/gatekeeper-prod-aws", True),
    (OPERATOR, "applications", "sync", "chat-prod/chat-prod-aws", True),
    (OPERATOR, "applications", "sync", "platform/istiod-prod-aws", False),
    (OPERATOR, "applications", "action/argoproj.io/Rollout/abort", "chat-prod/chat-prod-aws", True),
    (OPERATOR, "applications", "update", "chat-prod/chat-prod-aws", False),
    (OPERATOR, "applications", "delete", "chat-prod/chat-prod-aws", False),
    (OPERATOR, "applications", "override", "chat-prod/chat-prod-aws", False),
    (ENGINEER, "applications", "sync", "platform/istiod-prod-aws", True),
    (ENGINEER, "applications", "get", "chat-prod/chat-prod-aws", True),
    (ENGINEER, "applications", "create", "platform/more", False),
    (ENGINEER, "applications", "delete", "platform/istiod-prod-aws", False),
    (ENGINEER, "applications", "override", "chat-prod/chat-prod-aws", False),
    (ENGINEER, "applicationsets", "delete", "platform/addons", False),
    (ENGINEER, "clusters", "update", "mgmt", False),
    (ENGINEER, "projects", "update", "chat-prod", False),
    (ENGINEER, "exec", "create", "chat-prod/chat-prod-aws", False),
    (NOBODY, "applications", "get", "chat-dev/chat-dev-aws", False),
    (NOBODY, "projects", "get", "chat-dev", False),
]


def may(*asks: tuple[str, str, str, str], policy: str = CONFIGURATION["rbac"]["policy.csv"]) -> Any:
    """What Argo CD would let somebody do."""
    default = CONFIGURATION["rbac"]["policy.default"]
    return asked("rbac", question={"policy": policy, "default": default, "asked": asks})


def test_people_may_do_what_the_table_says() -> None:
    decided = may(*(row[:4] for row in TABLE))
    assert [(*row[:4], said) for row, said in zip(TABLE, decided, strict=True)] == TABLE


def test_a_broken_policy_is_caught() -> None:
    with pytest.raises(Refused):
        may(policy="p, role:developer, applications, get")
    wide = CONFIGURATION["rbac"]["policy.csv"].replace("sync, chat-dev/*", "sync, chat-*/*")
    assert may((DEVELOPER, "applications", "sync", "chat-prod/chat-prod-aws"), policy=wide) == [True]


def test_nobody_has_a_password_or_a_shell() -> None:
    assert CONFIGURATION["cm"]["admin.enabled"] == CONFIGURATION["cm"]["exec.enabled"] == "false"
