"""What each cluster is given of platform/security: Kustomize renders a room with the cluster's components."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import yaml

from kustomization import built
from manifests import CLOUDS, ENVIRONMENTS, PLATFORM, REPOSITORY
from rendering import CHART, NAMESPACE, Combination, Object, rendered

SECURITY = PLATFORM / "security"
EVERYWHERE = ("namespaces", "rbac", "network", "mesh", "gatekeeper", "secrets")
WORKLOAD_ONLY = ("image-policy",)
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
"""Stands for the one that the pipeline commits."""

# Of what a release may hold, these are the cluster's and not a namespace's.
_CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "PriorityClass"}


@dataclass(frozen=True)
class Cluster:
    """A cluster by what decides over what it is given."""

    environment: str
    cloud: str

    @property
    def runs_chat(self) -> bool:
        """Whether it is more than the management cluster."""
        return self.environment != "mgmt"

    @property
    def rooms(self) -> tuple[str, ...]:
        """The rooms that are installed there."""
        return EVERYWHERE + (WORKLOAD_ONLY if self.runs_chat else ())

    def __str__(self) -> str:
        return f"{self.environment}-{self.cloud}" if self.runs_chat else self.environment


WORKLOAD = tuple(Cluster(*parts) for parts in product(ENVIRONMENTS, CLOUDS))
CLUSTERS = (*WORKLOAD, Cluster("mgmt", "aws"))


def room(name: str, cluster: Cluster, security: Path = SECURITY) -> tuple[Object, ...]:
    """The objects of a room as Argo CD renders them for a cluster: the environment first, then the cloud."""
    parts = (security / name / "environments" / cluster.environment, security / name / "clouds" / cluster.cloud)
    return tuple(built(security / name, *(part for part in parts if part.is_dir())))


@cache
def of_room(name: str, cluster: Cluster) -> tuple[Object, ...]:
    """The same, rendered once; nobody may change them."""
    return room(name, cluster)


def of_cluster(cluster: Cluster) -> tuple[Object, ...]:
    """Everything of platform/security that a cluster is given."""
    return tuple(one for name in cluster.rooms for one in of_room(name, cluster))


@cache
def of_chat(cluster: Cluster) -> tuple[Object, ...]:
    """The chart as Argo CD installs it in a cluster, with the namespaces that Helm leaves to the installation."""
    if not cluster.runs_chat:
        return ()
    return tuple(placed(rendered(*(f"--values={path}" for path in values_of(cluster)))))


@cache
def of_chart(combination: Combination) -> tuple[Object, ...]:
    """The chart as somebody may install it who has only the chart, and a digest of the image."""
    return tuple(placed(rendered(*combination.arguments, f"--set=image.digest={DIGEST}")))


def values_of(cluster: Cluster) -> Iterator[Path]:
    """The files of values that Argo CD gives to the chart in a cluster, in their order."""
    (application,) = yaml.safe_load_all((PLATFORM / "argocd" / "applicationsets" / "chat.yaml").read_text())
    own = yaml.safe_load((PLATFORM / "argocd" / "clusters" / f"{cluster}.yaml").read_text())["cluster"]
    for name in application["spec"]["template"]["spec"]["source"]["helm"]["valueFiles"]:
        path = re.sub(r"{{ *\.cluster\.(\w+) *}}", lambda said: str(own[said[1]]), name)
        yield REPOSITORY / path[1:] if path.startswith("/") else CHART / path


def placed(those: Iterable[Object], namespace: str = NAMESPACE) -> list[Object]:
    """Objects with the namespace that they are installed into."""
    return [
        one
        if one["kind"] in _CLUSTER_WIDE or "namespace" in one["metadata"]
        else {**one, "metadata": {**one["metadata"], "namespace": namespace}}
        for one in those
    ]


def of_kind(those: Iterable[Object], *kinds: str) -> list[Object]:
    """Those of some kinds."""
    return [one for one in those if one["kind"] in kinds]
