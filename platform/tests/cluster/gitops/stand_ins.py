"""The chat's neighbours where they cannot be had: their kinds by name, and what their controllers say."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cluster.kubectl import KubernetesError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.kubectl import Kubectl, Object

KINDS = (
    ("argoproj.io/v1alpha1", "AnalysisTemplate", "analysistemplates"),
    ("argoproj.io/v1alpha1", "Rollout", "rollouts"),
    ("cilium.io/v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies"),
    ("external-secrets.io/v1", "ExternalSecret", "externalsecrets"),
    ("keda.sh/v1alpha1", "ScaledObject", "scaledobjects"),
    ("monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules"),
    ("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors"),
    ("networking.istio.io/v1", "DestinationRule", "destinationrules"),
    ("security.istio.io/v1", "AuthorizationPolicy", "authorizationpolicies"),
    ("security.istio.io/v1", "PeerAuthentication", "peerauthentications"),
)
"""Those of the chart that add-ons bring. Here they take anything: helm/tests checks what is in them."""

_ACCEPTED = {
    "type": "Accepted",
    "status": "True",
    "reason": "Accepted",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
_SAID: dict[str, Object] = {
    "externalsecrets.external-secrets.io": {"conditions": [{"type": "Ready", "status": "True"}]},
    "httproutes.gateway.networking.k8s.io": {
        "parents": [
            {"parentRef": {"name": "chat"}, "controllerName": "example.org/test", "conditions": [_ACCEPTED]}
        ]
    },
}
"""What Argo CD waits for in their objects: that the Secret is there, that the route is accepted."""
LOOK_EVERY_S = 4.0


def make_kinds(kubectl: Kubectl) -> None:
    """Make those of the kinds that the cluster has not."""
    known = {one["metadata"]["name"] for one in kubectl.items("customresourcedefinitions")}
    lacking = [one for one in (_definition(*kind) for kind in KINDS) if one["metadata"]["name"] not in known]
    kubectl.apply(*lacking)
    for one in lacking:
        kubectl.run("wait", "--for=condition=Established", f"crd/{one['metadata']['name']}", "--timeout=60s")


@contextmanager
def controllers(kubectl: Kubectl) -> Iterator[None]:
    """Say of the objects in a namespace what their controllers would say."""
    ended = threading.Event()

    def answer() -> None:
        while not ended.wait(LOOK_EVERY_S):
            for kind, said in _SAID.items():
                _say(kubectl, kind, said)

    thread = threading.Thread(target=answer, name="stand-ins")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _say(kubectl: Kubectl, kind: str, said: Object) -> None:
    patch = f"--patch={json.dumps({'status': said})}"
    # The kind or the namespace may not be there yet, and an object may just go: all is looked at again.
    with suppress(KubernetesError):
        for one in kubectl.items(kind):
            if "status" not in one:
                name = one["metadata"]["name"]
                kubectl.run("patch", kind, name, "--subresource=status", "--type=merge", patch)


def _definition(api: str, kind: str, plural: str) -> Object:
    group, _, version = api.partition("/")
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": anything},
                    "subresources": {"status": {}},
                }
            ],
        },
    }
