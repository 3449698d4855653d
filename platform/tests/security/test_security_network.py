"""Who may talk to whom is what docs/security/network.md says: no path more, and every one that is needed."""

from __future__ import annotations

import copy

import pytest
from network_matrix import Flow, computed, documented, flows_in
from network_peers import policies_of, policies_over
from reachability import NotUnderstood, Peer, Policies
from security_rooms import CLUSTERS, WORKLOAD, Cluster, of_chat, of_kind, of_room

from rendering import Object

OPEN = {"kube-system"}
"""Namespaces without policies of ours; the page says why."""

PROD = Cluster("prod", "aws")


@pytest.fixture(scope="module")
def flows() -> set[Flow]:
    """Everything that the policies of all clusters let pass."""
    return computed()


def test_the_matrix_is_what_the_policies_let_pass(flows: set[Flow]) -> None:
    said = documented()
    assert not {str(flow) for flow in flows - said}, "these paths are open, and the page does not say so"
    assert not {str(flow) for flow in said - flows}, "the page says these paths, and they are closed"


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_every_namespace_is_closed_in_both_directions(cluster: Cluster) -> None:
    policies = policies_of(cluster)
    names = {one["metadata"]["name"] for one in of_kind(of_room("namespaces", cluster), "Namespace")}
    assert {one["metadata"]["namespace"] for one in of_kind(of_room("network", cluster), "NetworkPolicy")} <= names
    for name in names - OPEN:
        # A pod that no chart knows of, such as one that somebody starts by hand.
        stranger = Peer("stranger", namespace=name, labels={"run": "stranger"})
        assert policies.opened(stranger, "ingress") is not None, name
        assert policies.opened(stranger, "egress") is not None, name


@pytest.mark.parametrize("cluster", WORKLOAD, ids=str)
def test_a_stranger_beside_the_chat_gets_no_further_than_names_and_traces(cluster: Cluster) -> None:
    stranger = Peer("stranger", namespace="chat", labels={"run": "stranger"})
    network, chat = of_room("network", cluster), of_chat(cluster)
    policies = policies_over(cluster, network, chat)
    policies.peers = [*policies.peers, stranger]
    reached = {(str(peer), port) for peer, port in policies.opened(stranger, "egress") or {}}
    assert reached == {
        ("kube-system", "53"),
        ("kube-system", "53/UDP"),
        ("observability", "4317"),
        ("observability", "4318"),
    }
    # The chart lets its own namespace come to the gateways; going there is what nothing allows.
    assert not policies.opened(stranger, "ingress")


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_no_door_leads_nowhere(cluster: Cluster) -> None:
    """Whoever is named by a policy is there, and has its own side open too: a path half open is a mistake."""
    policies = policies_of(cluster)
    used = {
        (source.namespace, target.namespace, port)
        for source, target, port, _ in policies.flows()
        if source.namespace != target.namespace
    }
    for peer in (peer for peer in policies.peers if peer.namespace):
        for other, port in policies.opened(peer, "ingress") or {}:
            if other.namespace not in {"", peer.namespace}:
                assert (other.namespace, peer.namespace, port) in used, f"{other} may not go to {peer} {port}"
        for other, port in policies.opened(peer, "egress") or {}:
            if other.namespace not in {"", peer.namespace}:
                assert (peer.namespace, other.namespace, port) in used, f"{other} lets {peer} not in at {port}"


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_every_peer_that_a_policy_names_is_there(cluster: Cluster) -> None:
    there = {one["metadata"]["name"] for one in of_kind(of_room("namespaces", cluster), "Namespace")}
    for one in of_kind((*of_room("network", cluster), *of_chat(cluster)), "NetworkPolicy"):
        rules = (*(one["spec"].get("ingress") or []), *(one["spec"].get("egress") or []))
        peers = [peer for rule in rules for peer in (*rule.get("from", []), *rule.get("to", []))]
        for selector in (peer.get("namespaceSelector", {}) for peer in peers):
            named = {*selector.get("matchLabels", {}).values()}
            named |= {value for rule in selector.get("matchExpressions", []) for value in rule["values"]}
            assert named <= there, f"{one['metadata']['namespace']}/{one['metadata']['name']}: {named - there}"


def test_no_pod_reaches_the_metadata_of_a_node_where_cilium_is(flows: set[Flow]) -> None:
    asking = {flow for flow in flows if flow.target == "node metadata"}
    assert {flow.cluster for flow in asking} == {"dev-gcp", "staging-gcp", "prod-gcp"}
    assert {flow.port for flow in asking} == {"80"}


def test_what_cilium_replaces_is_the_same_list(flows: set[Flow]) -> None:
    """Namespaces are listed by hand for Cilium: who speaks to the API server does so in every cloud."""
    by_address = {
        one["metadata"]["namespace"]
        for one in of_kind(of_room("network", Cluster("dev", "gcp")), "NetworkPolicy")
        if one["metadata"]["name"] == "kube-apiserver"
    }
    by_kind = {flow.source for flow in flows if flow.target == "API server" and flow.cluster == "dev-aws"}
    assert by_address == by_kind


# Broken copies: what a slip of the pen opens or closes is seen.


def changed(those: tuple[Object, ...], kind: str, name: str, namespace: str = "") -> tuple[list[Object], Object]:
    """A copy of objects, and the one of it to be broken."""
    copied = copy.deepcopy([*those])
    (one,) = (
        one
        for one in of_kind(copied, kind)
        if one["metadata"]["name"] == name and one["metadata"].get("namespace", "") == namespace
    )
    return copied, one


def difference(network: list[Object], cluster: Cluster = PROD) -> set[str]:
    """What other policies let pass more or less than the page says."""
    here = {*flows_in(policies_over(cluster, tuple(network), of_chat(cluster)), cluster)}
    return {str(flow) for flow in here ^ {flow for flow in documented() if flow.cluster == str(cluster)}}


def test_the_policies_as_they_are_differ_in_nothing() -> None:
    assert not difference([*of_room("network", PROD)])


def test_an_open_path_is_caught() -> None:
    network, one = changed(of_room("network", PROD), "NetworkPolicy", "paths", "velero")
    del one["spec"]["ingress"][0]["from"]
    assert "internet -> velero 8085 in prod-aws" in difference(network)


def test_a_closed_path_is_caught() -> None:
    network, one = changed(of_room("network", PROD), "NetworkPolicy", "paths", "keda")
    del one["spec"]["egress"]
    assert "keda -> observability 9090 by path in prod-aws" in difference(network)


def test_a_namespace_without_its_closing_policy_is_caught() -> None:
    network, one = changed(of_room("network", PROD), "NetworkPolicy", "default-deny", "chat")
    network.remove(one)
    policies = policies_over(PROD, tuple(network), of_chat(PROD))
    assert policies.opened(Peer("stranger", namespace="chat", labels={"run": "stranger"}), "ingress") is None


def test_a_way_to_the_metadata_of_a_node_is_closed_by_cilium_and_only_by_it() -> None:
    network, one = changed(of_room("network", PROD), "NetworkPolicy", "identity", "velero")
    one["spec"]["egress"][0]["to"] = [{"ipBlock": {"cidr": "169.254.0.0/16"}}]
    assert "velero -> node metadata 80 in prod-aws" not in difference(network)
    network, one = changed(tuple(network), "CiliumClusterwideNetworkPolicy", "metadata")
    network.remove(one)
    assert "velero -> node metadata 80 in prod-aws" in difference(network)


def test_a_plain_policy_beside_a_precise_one_is_caught() -> None:
    """Policies add up: the whole port beside some paths of it is the whole port."""
    network = [*of_room("network", PROD)]
    network += [
        one
        for one in of_room("network", Cluster("prod", "gcp"))
        if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == "queries"
    ]
    assert "keda -> observability 9090 in prod-aws" in difference(network)


@pytest.mark.parametrize(
    "spec",
    [
        {"podSelector": {}, "ingress": []},
        {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"frm": []}]},
        {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 1, "endPort": 9}]}]},
        {"podSelector": {"matchName": "x"}, "policyTypes": ["Ingress"]},
    ],
)
def test_what_is_not_understood_is_an_error(spec: Object) -> None:
    policy = {"kind": "NetworkPolicy", "metadata": {"name": "odd", "namespace": "chat"}, "spec": spec}
    peer = Peer("pod", namespace="chat")
    with pytest.raises(NotUnderstood):
        Policies([policy], [peer], cilium=False).opened(peer, "ingress")


def test_policies_of_cilium_are_refused_where_nothing_takes_them() -> None:
    policy = {"kind": "CiliumNetworkPolicy", "metadata": {"name": "odd", "namespace": "chat"}, "spec": {}}
    with pytest.raises(NotUnderstood):
        Policies([policy], [], cilium=False)
