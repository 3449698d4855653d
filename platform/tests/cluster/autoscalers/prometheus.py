"""A Prometheus in a namespace of its own that scrapes the pods of one other namespace, and can be away."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.kubectl import Kubectl, Object

HERE = Path(__file__).parent
NAME = "prometheus"
LEVEL = {"pod-security.kubernetes.io/enforce": "restricted"}


class Prometheus:
    """One that runs."""

    def __init__(self, inside: Kubectl) -> None:
        self._inside = inside

    @property
    def url(self) -> str:
        """Where it answers inside the cluster."""
        return f"http://{NAME}.{self._inside.namespace}.svc:9090"

    async def go(self) -> None:
        """Be away until `come`, and lose what was recorded."""
        await self._scale(0)
        await self._inside.do("wait", "--for=delete", "pod", f"--selector=app={NAME}", "--timeout=60s")

    async def come(self) -> None:
        """Be there again."""
        await self._scale(1)
        await self._inside.do("rollout", "status", f"deployment/{NAME}", "--timeout=60s")

    async def _scale(self, replicas: int) -> None:
        await self._inside.do("scale", f"deployment/{NAME}", f"--replicas={replicas}")


@contextmanager
def watching(kubectl: Kubectl) -> Iterator[Prometheus]:
    """A Prometheus for the namespace of `kubectl`, and with no rights but to find the pods there."""
    watched = kubectl.namespace
    namespace = f"{watched}-monitoring"
    inside = kubectl.inside(namespace)
    settings = (HERE / "scrape.yml").read_text().replace("WATCHED", watched)
    kubectl.apply(*_rights(namespace))
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": LEVEL}})
    try:
        inside.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": NAME},
                "data": {"prometheus.yml": settings},
            }
        )
        inside.run("apply", f"--filename={HERE / 'prometheus.yaml'}")
        inside.run("rollout", "status", f"deployment/{NAME}", "--timeout=120s")
        yield Prometheus(inside)
    finally:
        kubectl.run("delete", "namespace", namespace, "--timeout=120s", within_s=150)


def _rights(account_in: str) -> tuple[Object, Object]:
    """To find the pods of the namespace that these are made in; they are gone with it."""
    api, metadata = "rbac.authorization.k8s.io/v1", {"name": NAME}
    verbs = ["get", "list", "watch"]
    role: Object = {
        "apiVersion": api,
        "kind": "Role",
        "metadata": metadata,
        "rules": [
            {"apiGroups": [""], "resources": ["pods", "services"], "verbs": verbs},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": verbs},
        ],
    }
    binding: Object = {
        "apiVersion": api,
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": account_in}],
    }
    return role, binding
