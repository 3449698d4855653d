"""The matrix of docs/security/network.md: read as it is written there, and computed from the policies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from network_peers import has_cilium, policies_of
from reachability import Policies
from security_rooms import CLUSTERS, Cluster

from manifests import REPOSITORY

PAGE = REPOSITORY / "docs" / "security" / "network.md"
BY_PATH = " by path"


class Flow(NamedTuple):
    """Who may talk to whom, and where."""

    source: str
    target: str
    port: str
    cluster: str

    def __str__(self) -> str:
        return f"{self.source} -> {self.target} {self.port} in {self.cluster}"


def computed(clusters: Iterable[Cluster] = CLUSTERS) -> set[Flow]:
    """What the policies let pass."""
    return {flow for cluster in clusters for flow in flows_in(policies_of(cluster), cluster)}


def flows_in(policies: Policies, cluster: Cluster) -> Iterator[Flow]:
    """What the policies of one cluster let pass."""
    for source, target, port, partly in policies.flows():
        yield Flow(str(source), str(target), port + (BY_PATH if partly else ""), str(cluster))


def documented(page: Path = PAGE) -> set[Flow]:
    """What the page says: a row may name several peers, ports and clusters."""
    rows = [row for line in page.read_text().splitlines() if len(row := _cells(line)) == 5][2:]
    return {
        Flow(source, target, port, str(cluster))
        for target, ports, sources, where, _ in rows
        for port in ports.split(", ")
        for source in sources.split(", ")
        for cluster in CLUSTERS
        if is_meant(where, cluster)
    }


def is_meant(where: str, cluster: Cluster) -> bool:
    """Whether a cell means a cluster: alternatives between commas, and in each every word has to hold."""
    words = {"all", cluster.environment, cluster.cloud}
    words |= {"workload"} if cluster.runs_chat else set()
    words |= {"cilium"} if has_cilium(cluster) else set()
    return any({*alternative.split()} <= words for alternative in where.split(","))


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("`", "") for cell in line.strip("|").split("|")] if line.startswith("|") else []
