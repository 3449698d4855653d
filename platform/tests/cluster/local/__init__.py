"""A real Kubernetes of one node on this machine, for tests: no image is pulled, no systemd is needed."""

from cluster.local.cluster import LocalCluster
from cluster.local.errors import ClusterError

__all__ = ["ClusterError", "LocalCluster"]
