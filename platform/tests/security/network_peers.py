"""Who there is in a cluster: pods of the chat, one peer for each other namespace, and the outside."""

from __future__ import annotations

from functools import cache

from reachability import Peer, Policies
from security_rooms import Cluster, of_chat, of_kind, of_room

from rendering import Object, pod_of

OUTSIDE = (
    Peer("internet", address="203.0.113.10", entities=frozenset({"world"})),
    Peer("private networks", address="10.200.0.10", entities=frozenset({"world"})),
    Peer("node metadata", address="169.254.169.254", entities=frozenset({"world"}), speaks=False),
    Peer("EKS identities", address="169.254.170.23", entities=frozenset({"world"}), speaks=False),
    Peer("GKE identities", address="169.254.169.252", entities=frozenset({"world"}), speaks=False),
)
KNOWN_TO_CILIUM = (
    Peer("API server", address="10.201.0.10", entities=frozenset({"kube-apiserver"})),
    Peer("nodes", address="10.202.0.10", entities=frozenset({"host", "remote-node"})),
)
"""Told apart from the private networks that they are in."""


def has_cilium(cluster: Cluster) -> bool:
    """Whether the cluster takes Cilium's own policies. GKE's Cilium does not."""
    return cluster.cloud != "gcp"


def peers_of(cluster: Cluster, policies: list[Object], chat: tuple[Object, ...]) -> list[Peer]:
    """Every peer of a cluster. A namespace whose workloads are others' charts counts as one."""
    names = {
        name.get("matchPattern", name.get("matchName"))
        for one in of_kind(policies, "CiliumNetworkPolicy")
        for rule in one["spec"].get("egress", [])
        for name in rule.get("toFQDNs", [])
    }
    namespaces = [one["metadata"]["name"] for one in of_kind(of_room("namespaces", cluster), "Namespace")]
    return [
        *OUTSIDE,
        *(KNOWN_TO_CILIUM if has_cilium(cluster) else ()),
        *(Peer(name, names=frozenset({name})) for name in sorted(names)),
        *(
            # There it is only the DNS that the policies are about.
            Peer(name, namespace=name, labels={"k8s-app": "kube-dns"} if name == "kube-system" else {})
            for name in namespaces
            if name != "chat"
        ),
        *_pods(chat),
    ]


def _pods(chat: tuple[Object, ...]) -> list[Peer]:
    found = {}
    for one in chat:
        pod = pod_of(one)
        if pod is not None:
            labels = pod["metadata"]["labels"]
            ports = {
                port["name"]: port["containerPort"]
                for container in pod["spec"]["containers"]
                for port in container.get("ports", [])
            }
            name = f"chat/{labels['app.kubernetes.io/component']}"
            found[name] = Peer(name, namespace="chat", labels=labels, ports=ports)
    return list(found.values())


@cache
def policies_of(cluster: Cluster) -> Policies:
    """The network policies of a cluster: those of platform/security, and the chart's."""
    return policies_over(cluster, of_room("network", cluster), of_chat(cluster))


def policies_over(cluster: Cluster, network: tuple[Object, ...], chat: tuple[Object, ...]) -> Policies:
    """The same of given objects."""
    those = [one for one in (*network, *chat) if one["kind"].endswith("NetworkPolicy")]
    return Policies(those, peers_of(cluster, those, chat), cilium=has_cilium(cluster))
