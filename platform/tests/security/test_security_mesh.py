"""The mesh refuses whom no policy names, and its doors and the chart's routes fit together."""

from __future__ import annotations

import copy

import pytest
from security_rooms import CLUSTERS, WORKLOAD, Cluster, of_chat, of_kind, of_room

from rendering import Object, pick

ROOT = "istio-system"
MESHED = ("chat", "istio-ingress", "istio-eastwest")


def everything(cluster: Cluster) -> list[Object]:
    return [*of_room("mesh", cluster), *of_chat(cluster)]


def in_the_clear(those: list[Object]) -> set[tuple[str, str]]:
    """Where somebody may come without mutual TLS: name and port (`all` for all)."""
    found = set()
    for one in of_kind(those, "PeerAuthentication"):
        spec = one["spec"]
        if spec.get("mtls", {}).get("mode") != "STRICT":
            found.add((one["metadata"]["name"], "all"))
        found |= {
            (one["metadata"]["name"], str(port))
            for port, said in spec.get("portLevelMtls", {}).items()
            if said["mode"] != "STRICT"
        }
    return found


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_mutual_tls_is_strict_everywhere_but_at_the_port_of_metrics(cluster: Cluster) -> None:
    default = pick(of_room("mesh", cluster), "PeerAuthentication", "default")
    assert (default["metadata"]["namespace"], default["spec"]) == (ROOT, {"mtls": {"mode": "STRICT"}})
    assert in_the_clear(everything(cluster)) == ({("chat", "9464")} if cluster.runs_chat else set())


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_nobody_is_let_in_whom_no_policy_names(cluster: Cluster) -> None:
    those = of_kind(everything(cluster), "AuthorizationPolicy")
    assert pick(those, "AuthorizationPolicy", "deny-all")["spec"] == {}
    assert pick(those, "AuthorizationPolicy", "deny-all")["metadata"]["namespace"] == ROOT
    assert not open_doors(those)
    allowing = {one["metadata"].get("namespace", "chat") for one in those if one["spec"]}
    namespaces = of_kind(of_room("namespaces", cluster), "Namespace")
    meshed = {
        one["metadata"]["name"]
        for one in namespaces
        if one["metadata"]["labels"].get("istio-injection") == "enabled"
    }
    assert allowing == meshed == {*MESHED} & {one["metadata"]["name"] for one in namespaces}


def open_doors(those: list[Object]) -> list[str]:
    """Policies that allow anything to anybody: a rule with neither a port nor a peer, or no selector."""
    return [
        one["metadata"]["name"]
        for one in those
        if one["spec"]
        and (
            not one["spec"].get("selector", {}).get("matchLabels")
            or any(not rule.get("to") for rule in one["spec"]["rules"])
            or any(not to["operation"].get("ports") for rule in one["spec"]["rules"] for to in rule["to"])
        )
    ]


@pytest.mark.parametrize("cluster", WORKLOAD, ids=str)
def test_the_chart_and_the_mesh_mean_the_same_gateways(cluster: Cluster) -> None:
    chat, mesh = of_chat(cluster), of_room("mesh", cluster)
    rule = pick(chat, "AuthorizationPolicy")["spec"]["rules"][0]
    principals = [one for source in rule["from"] for one in source["source"].get("principals", [])]
    # The service account of the add-on istio-ingress has its name.
    assert principals == ["*/ns/istio-ingress/sa/istio-ingress"]
    route = pick(chat, "HTTPRoute")
    gateway = next(one for one in of_kind(list(mesh), "Gateway") if "gatewayClassName" in one["spec"])
    (parent,) = route["spec"]["parentRefs"]
    assert (parent["namespace"], parent["name"]) == (gateway["metadata"]["namespace"], gateway["metadata"]["name"])
    https = next(one for one in gateway["spec"]["listeners"] if one["name"] == "https")
    assert [https["hostname"]] == route["spec"]["hostnames"]
    allowed = https["allowedRoutes"]["namespaces"]["selector"]["matchLabels"]
    assert allowed == {"kubernetes.io/metadata.name": "chat"}
    (address,) = gateway["spec"]["addresses"]
    assert address["value"] == "istio-ingress.istio-ingress.svc.cluster.local"
    (certificate,) = https["tls"]["certificateRefs"]
    made = pick(of_room("secrets", cluster), "ExternalSecret", "chat-tls")
    assert (made["metadata"]["namespace"], made["spec"]["target"]["name"]) == (
        "istio-ingress",
        certificate["name"],
    )


@pytest.mark.parametrize("cluster", WORKLOAD, ids=str)
def test_what_comes_without_tls_is_sent_to_it(cluster: Cluster) -> None:
    mesh = of_room("mesh", cluster)
    route = pick(mesh, "HTTPRoute", "redirect")
    (parent,) = route["spec"]["parentRefs"]
    gateway = next(one for one in of_kind(list(mesh), "Gateway") if "gatewayClassName" in one["spec"])
    http = next(one for one in gateway["spec"]["listeners"] if one["name"] == parent["sectionName"])
    # The chart's own route asks for no listener: it must not get this one.
    assert http["allowedRoutes"] == {"namespaces": {"from": "Same"}}
    assert "backendRefs" not in route["spec"]["rules"][0]


@pytest.mark.parametrize("cluster", WORKLOAD, ids=str)
def test_other_clusters_reach_the_chat_and_nothing_else(cluster: Cluster) -> None:
    mesh = list(of_room("mesh", cluster))
    gateway = next(one for one in of_kind(mesh, "Gateway") if "servers" in one["spec"])
    (server,) = gateway["spec"]["servers"]
    assert (server["port"]["number"], server["tls"]["mode"]) == (15443, "AUTO_PASSTHROUGH")
    policy = pick(mesh, "AuthorizationPolicy", "eastwest")
    assert policy["spec"]["selector"]["matchLabels"] == gateway["spec"]["selector"]
    (rule,) = policy["spec"]["rules"]
    assert rule["when"] == [{"key": "connection.sni", "values": ["*.chat.svc.cluster.local"]}]


def test_the_management_cluster_has_no_doors_to_the_chat() -> None:
    kinds = {one["kind"] for one in of_room("mesh", Cluster("mgmt", "aws"))}
    assert kinds == {"PeerAuthentication", "AuthorizationPolicy", "Telemetry"}


# Broken copies.


def test_a_policy_for_everybody_is_caught() -> None:
    those = copy.deepcopy(of_kind(everything(Cluster("prod", "aws")), "AuthorizationPolicy"))
    pick(those, "AuthorizationPolicy", "ingress")["spec"]["rules"] = [{}]
    assert open_doors(those) == ["ingress"]


def test_a_policy_for_a_whole_namespace_is_caught() -> None:
    those = copy.deepcopy(of_kind(everything(Cluster("prod", "aws")), "AuthorizationPolicy"))
    del pick(those, "AuthorizationPolicy", "eastwest")["spec"]["selector"]
    assert open_doors(those) == ["eastwest"]


def test_permissive_tls_is_caught() -> None:
    those = copy.deepcopy(everything(Cluster("prod", "aws")))
    pick(those, "PeerAuthentication", "default")["spec"]["mtls"]["mode"] = "PERMISSIVE"
    assert in_the_clear(those) == {("default", "all"), ("chat", "9464")}
