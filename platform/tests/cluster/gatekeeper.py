"""Gatekeeper on the cluster, from the manifest in its Go module, and policies for it to judge by."""

from __future__ import annotations

import copy
import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cluster import kinds
from cluster.images import GATEKEEPER
from cluster.kubectl import KubernetesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cluster.kubectl import Kubectl, Object

NAMESPACE = "gatekeeper-system"
READY_S = 300
GONE_S = 120
_WEBHOOKS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
_MODULE = "github.com/open-policy-agent/gatekeeper/v3"


@contextmanager
def running(kubectl: Kubectl) -> Iterator[None]:
    """The cluster with Gatekeeper, answering; where it is there already it is used and left."""
    if is_there(kubectl):
        yield
        return
    manifest = kinds.documents(kinds.folder(_MODULE) / "deploy" / "gatekeeper.yaml")
    webhooks = [one for one in manifest if one["kind"] in _WEBHOOKS]
    inside = kubectl.inside(NAMESPACE)
    try:
        _given(kubectl, [_on_one_node(one) for one in manifest], "apply", "--server-side")
        for name in ("gatekeeper-audit", "gatekeeper-controller-manager"):
            told = ("--for=condition=Available", f"deployment/{name}", f"--timeout={READY_S}s")
            inside.run("wait", *told, within_s=READY_S + 10)
        until("the webhook is trusted", lambda: _is_trusted(kubectl))
        # Only now: before, it would refuse everything for want of somebody to ask.
        _given(kubectl, [_strict(one) for one in webhooks], "apply", "--server-side")
        yield
    finally:
        _given(kubectl, webhooks, "delete", "--ignore-not-found")
        rest = [one for one in manifest if one not in webhooks]
        _given(kubectl, rest, "delete", "--ignore-not-found", f"--timeout={GONE_S}s")


@contextmanager
def judging(kubectl: Kubectl, policies: Sequence[Object]) -> Iterator[None]:
    """Gatekeeper with policies, all of them in force. Raises KubernetesError where it has others already."""
    if kubectl.items("constrainttemplates"):
        raise KubernetesError("this cluster has policies of its own, which would be taken away from it")
    constraints = [one for one in policies if one["apiVersion"].startswith("constraints.")]
    rest = [one for one in policies if one not in constraints]
    templates = [one for one in rest if one["kind"] == "ConstraintTemplate"]
    try:
        _given(kubectl, rest, "apply", "--server-side")
        kubectl.wait_for_kinds(*(f"{one['metadata']['name']}.constraints.gatekeeper.sh" for one in templates))
        _given(kubectl, constraints, "apply", "--server-side")
        until("every constraint is enforced", lambda: _are_enforced(kubectl, len(constraints)))
        yield
    finally:
        _given(kubectl, constraints, "delete", "--ignore-not-found")
        _given(kubectl, rest, "delete", "--ignore-not-found")


def refusal(kubectl: Kubectl, *those: Object) -> str:
    """What is said against objects if they were applied; nothing where nothing is. None of them is kept."""
    try:
        _given(kubectl, those, "apply", "--server-side", "--force-conflicts", "--dry-run=server")
    except KubernetesError as said:
        return str(said)
    return ""


def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait until something holds. Raises KubernetesError."""
    deadline = time.monotonic() + READY_S
    while not holds():
        if time.monotonic() > deadline:
            raise KubernetesError(f"not within {READY_S} s: {what}")
        time.sleep(0.5)


def is_there(kubectl: Kubectl) -> bool:
    """Whether the cluster has a Gatekeeper."""
    return any(
        one["metadata"]["name"].startswith("gatekeeper-")
        for one in kubectl.items("validatingwebhookconfigurations")
    )


def _given(kubectl: Kubectl, those: Iterable[Object], *command: str) -> None:
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(those)})
    kubectl.run(*command, "--filename=-", given=listed, within_s=GONE_S + 10)


def _on_one_node(one: Object) -> Object:
    """A document of the manifest, with the image as it is there and one pod of a kind."""
    if one["kind"] != "Deployment":
        return one
    made = copy.deepcopy(one)
    made["spec"]["replicas"] = 1
    (container,) = made["spec"]["template"]["spec"]["containers"]
    container |= {"image": GATEKEEPER, "imagePullPolicy": "IfNotPresent"}
    # Else the API server judges by a part of the policies itself, and tells the first of its reasons only.
    container["args"].append("--default-create-vap-binding-for-constraints=false")
    return made


def _strict(one: Object) -> Object:
    """A webhook's configuration in which an answer that is late, as on a busy machine, is no yes."""
    if one["kind"] != "ValidatingWebhookConfiguration":
        return one
    made = copy.deepcopy(one)
    for webhook in made["webhooks"]:
        webhook |= {"failurePolicy": "Fail", "timeoutSeconds": 30}
    return made


def _is_trusted(kubectl: Kubectl) -> bool:
    """Whether Gatekeeper has said by which certificate it is known."""
    configured = kubectl.get("validatingwebhookconfiguration", "gatekeeper-validating-webhook-configuration")
    return all(one["clientConfig"].get("caBundle") for one in configured["webhooks"])


def _are_enforced(kubectl: Kubectl, count: int) -> bool:
    """Whether the webhook says of so many constraints that it holds to them."""
    told = [(one.get("status") or {}).get("byPod") or [] for one in kubectl.items("constraints")]
    return len(told) == count and all(
        any("webhook" in (pod.get("operations") or []) and pod.get("enforced") for pod in pods) for pods in told
    )
