"""A release of the chart in a namespace of its own, and its way in from outside."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.clients.doors import Door, Doors
from chaos.servers.node import QUICK, UNLIMITED

from cluster.images import SERVICE
from cluster.kubectl import run

if TYPE_CHECKING:
    from cluster.kubectl import Kubectl, Object

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm" / "chat"
NAME = "chat"
EDGE = "edge"

_DECIDED_BY_CHART = {"CHAT_DRAIN_NOTICE_S", "CHAT_DRAIN_CLOSE_S", "CHAT_STOP_TIMEOUT_S"}
SETTINGS = {name: value for name, value in (UNLIMITED | QUICK).items() if name not in _DECIDED_BY_CHART}
"""All clients come from one address, and a test sees in seconds what takes minutes otherwise."""

CLUSTER = ("--set=mode=cluster", "--set=persistence.enabled=false")
"""The mode with databases; nothing is uploaded in the tests."""

HELM_S = 420.0


@dataclass(frozen=True, slots=True)
class Release:
    """What `helm install chat helm/chat` makes of `values`; a place where people gather."""

    kubectl: Kubectl
    values: tuple[str, ...] = ()
    """Arguments of Helm: --set=… and --values=…"""

    @property
    def mode(self) -> str:
        """`embedded` or `cluster`."""
        return "cluster" if "--set=mode=cluster" in self.values else "embedded"

    @property
    def workload(self) -> str:
        """What runs the gateways, as kubectl names it."""
        return f"deployment/{NAME}-gateway" if self.mode == "cluster" else f"statefulset/{NAME}"

    # -- Helm -----------------------------------------------------------------------------------------

    def helm(self, *arguments: str, within_s: float = HELM_S) -> str:
        """Run a command of Helm in the namespace. Raises KubernetesError."""
        scope = f"--namespace={self.kubectl.namespace}"
        return run(self.kubectl.environment, "helm", scope, *arguments, within_s=within_s)

    def install(self, *values: str) -> None:
        """Install, or bring to other values, and wait until it serves."""
        repository, _, tag = SERVICE.rpartition(":")
        image = (f"--set=image.repository={repository}", f"--set=image.tag={tag}", "--set=image.pullPolicy=Never")
        settings = tuple(f"--set=settings.{name}={value}" for name, value in SETTINGS.items())
        told = (*image, *settings, "--set=drainSeconds=6", *self.values, *values)
        self.helm("upgrade", "--install", NAME, str(CHART), *told, "--wait", "--timeout=6m")

    async def upgrade(self, *values: str) -> None:
        """`install` on top of what is there, while clients go on."""
        await asyncio.to_thread(self.install, *values)

    # -- the way in -----------------------------------------------------------------------------------

    def open_edge(self) -> None:
        """Lead a port of the node to the release's gateways, as a load balancer does."""
        service: Object = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": EDGE},
            "spec": {
                "type": "NodePort",
                "selector": {"app.kubernetes.io/instance": NAME, "app.kubernetes.io/component": "gateway"},
                "ports": [{"port": 80, "targetPort": "http"}],
            },
        }
        self.kubectl.apply(service)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that clients connect to."""
        node = self.kubectl.items("nodes")[0]
        host = next(one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP")
        return host, int(self.kubectl.get("service", EDGE)["spec"]["ports"][0]["nodePort"])


class Entrance:
    """The one door of a release, for those who gather there: whichever pod the Service leads them to."""

    def __init__(self, release: Release) -> None:
        host, port = release.address
        self._url = f"http://{host}:{port}"
        self.names = [NAME]
        self.doors = Doors([Door(NAME, host, port)])

    def url_of(self, _name: str) -> str:
        """The origin of the Service."""
        return self._url
