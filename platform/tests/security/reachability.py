"""Who may talk to whom: computed from NetworkPolicies and Cilium's policies, for pods and for what is outside.

Only what the manifests use is understood; anything else is an error, so that no policy is taken for another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Literal, TypeAlias

from rendering import Object

Direction: TypeAlias = Literal["ingress", "egress"]
Port: TypeAlias = str
"""`443` for TCP, `53/UDP` for others, `any` where no port is named."""
Openings: TypeAlias = dict[tuple["Peer", Port], bool]
"""Whom an endpoint is open to at which ports, and whether only for some paths or names of HTTP or DNS."""

_OTHER_SIDE: dict[Direction, str] = {"ingress": "from", "egress": "to"}
_NAMESPACE = "io.kubernetes.pod.namespace"
_NAME = "kubernetes.io/metadata.name"


class NotUnderstood(Exception):  # noqa: N818 - it is an answer
    """A policy says something that is not computed here."""


@dataclass(frozen=True, eq=False)
class Peer:
    """A kind of pod, or (without a namespace) something outside of the cluster."""

    name: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    address: str = ""
    entities: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    speaks: bool = True
    """Whether it begins a conversation; the outside's own servers answer only."""

    def __str__(self) -> str:
        return self.name


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a selector with matchLabels and matchExpressions selects labels."""
    if selector.keys() - {"matchLabels", "matchExpressions"}:
        raise NotUnderstood(f"selector {selector}")
    for rule in selector.get("matchExpressions", []):
        there = labels.get(rule["key"]) in rule["values"]
        if rule["operator"] not in {"In", "NotIn"} or there is not (rule["operator"] == "In"):
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


class Policies:
    """The policies of one cluster over a set of peers."""

    def __init__(self, those: Iterable[Object], peers: Sequence[Peer], *, cilium: bool) -> None:
        """`cilium` says whose reading of addresses counts: Cilium's networks never match a node."""
        found = [part for one in those if one["kind"].endswith("NetworkPolicy") for part in _parts(one)]
        self.peers = peers
        self.cilium = cilium
        self._plain = [one for one in found if one["kind"] == "NetworkPolicy"]
        self._cilium = [one for one in found if one["kind"] != "NetworkPolicy"]
        if self._cilium and not cilium:
            raise NotUnderstood("policies of Cilium where there is none that takes them")

    def opened(self, peer: Peer, direction: Direction) -> Openings | None:
        """Whom a peer is open to. None where nothing closes it."""
        if not peer.namespace:
            return None
        openings: Openings = {}
        closed = self._by_kubernetes(peer, direction, openings)
        if not self._by_cilium(peer, direction, openings) and not closed:
            return None
        return {key: partly for key, partly in openings.items() if not self._denied(peer, direction, *key)}

    def _by_kubernetes(self, peer: Peer, direction: Direction, openings: Openings) -> bool:
        """Add what Kubernetes's policies open. Returns whether one closes the rest."""
        closed = False
        for one in self._plain:
            kinds = one["spec"].get("policyTypes")
            if not kinds:
                raise NotUnderstood(f"{one['metadata']['name']} leaves its types to be guessed")
            if direction.capitalize() in kinds and self._concerns(one, peer, one["spec"]["podSelector"]):
                closed = True
                for rule in one["spec"].get(direction) or []:
                    _add(openings, self._plain_rule(one, rule, peer, direction))
        return closed

    def _by_cilium(self, peer: Peer, direction: Direction, openings: Openings) -> bool:
        """Add what Cilium's policies open. Returns whether one closes the rest: some are made to open only."""
        closed = False
        for one in self._cilium:
            rules = one["spec"].get(direction) or []
            if rules and self._concerns(one, peer, one["spec"]["endpointSelector"]):
                closed = closed or one["spec"].get("enableDefaultDeny", {}).get(direction, True)
                for rule in rules:
                    _add(openings, self._cilium_rule(one, rule, direction))
        return closed

    def _denied(self, peer: Peer, direction: Direction, other: Peer, port: Port) -> bool:
        """Whether a policy of Cilium denies what others may allow."""
        for one in self._cilium:
            rules = one["spec"].get(f"{direction}Deny") or []
            if rules and self._concerns(one, peer, one["spec"]["endpointSelector"]):
                denied: Openings = {}
                for rule in rules:
                    _add(denied, self._cilium_rule(one, rule, direction))
                if (other, port) in denied or (other, "any") in denied:
                    return True
        return False

    def flows(self) -> Iterator[tuple[Peer, Peer, Port, bool]]:
        """Who may talk to whom at which port: both sides have to let it pass. Two open sides say nothing."""
        outgoing = {peer: self.opened(peer, "egress") for peer in self.peers}
        incoming = {peer: self.opened(peer, "ingress") for peer in self.peers}
        for source, going in outgoing.items():
            for target, coming in incoming.items():
                if source.speaks and (going is not None or coming is not None):
                    out = {"any": False} if going is None else _with(going, target)
                    into = {"any": False} if coming is None else _with(coming, source)
                    for port in sorted({*out, *into}):
                        sides = [side.get(port, side.get("any")) for side in (out, into)]
                        if None not in sides:
                            yield source, target, port, any(sides)

    def _concerns(self, one: Object, peer: Peer, selector: Object) -> bool:
        if one["kind"] == "CiliumClusterwideNetworkPolicy":
            return _is(selector, peer)
        return one["metadata"]["namespace"] == peer.namespace and _is(selector, peer)

    # Kubernetes's own policies

    def _plain_rule(
        self, one: Object, rule: Object, peer: Peer, direction: Direction
    ) -> Iterator[tuple[Peer, Port]]:
        side = _OTHER_SIDE[direction]
        if rule.keys() - {side, "ports"}:
            raise NotUnderstood(f"{one['metadata']['name']}: {rule}")
        for other in self.peers:
            if side in rule and not any(self._is_peer(one, said, other) for said in rule[side]):
                continue
            yield from ((other, port) for port in self._at(rule, peer if direction == "ingress" else other))

    def _is_peer(self, one: Object, said: Object, other: Peer) -> bool:
        if "ipBlock" in said:
            # Networks are for what is outside: pods are known by their labels.
            return not other.namespace and self._in_network(said["ipBlock"], other)
        if said.keys() - {"namespaceSelector", "podSelector"}:
            raise NotUnderstood(f"{one['metadata']['name']}: {said}")
        if not other.namespace:
            return False
        if "namespaceSelector" not in said and other.namespace != one["metadata"]["namespace"]:
            return False
        return selects(said.get("namespaceSelector", {}), {_NAME: other.namespace}) and selects(
            said.get("podSelector", {}), other.labels
        )

    def _at(self, rule: Object, target: Peer) -> Iterator[Port]:
        """The ports of a rule on the peer that is connected to; a port by name only where the peer has it."""
        if "ports" not in rule:
            yield "any"
        for port in rule.get("ports", []):
            if port.keys() - {"port", "protocol"}:
                raise NotUnderstood(f"port {port}")
            number = target.ports.get(port["port"]) if isinstance(port["port"], str) else port["port"]
            if number is not None:
                yield _port(number, port.get("protocol", "TCP"))

    # Cilium's

    def _cilium_rule(self, one: Object, rule: Object, direction: Direction) -> Iterator[tuple[Peer, Port, bool]]:
        side = _OTHER_SIDE[direction]
        kinds = {f"{side}{kind}" for kind in ("Endpoints", "Entities", "CIDR", "CIDRSet")} | {"toFQDNs", "toPorts"}
        if rule.keys() - kinds or not rule:
            raise NotUnderstood(f"{one['metadata']['name']}: {rule}")
        for other in self.peers:
            if not any(self._is_cilium_peer(one, rule, kind, other) for kind in rule.keys() - {"toPorts"}):
                continue
            if "toPorts" not in rule:
                yield other, "any", False
            for group in rule.get("toPorts", []):
                for port in group["ports"]:
                    # Where Cilium reads DNS, it does so to learn, and lets all names pass.
                    partly = bool(group.get("rules", {}).keys() - {"dns"})
                    both = ("TCP", "UDP") if port["protocol"] == "ANY" else (port["protocol"],)
                    yield from ((other, _port(int(port["port"]), protocol), partly) for protocol in both)

    def _is_cilium_peer(self, one: Object, rule: Object, kind: str, other: Peer) -> bool:
        said = rule[kind]
        if kind.endswith("Endpoints"):
            return bool(other.namespace) and any(
                _is(selector, other) and (_names_namespace(selector) or self._is_near(one, other))
                for selector in said
            )
        if kind.endswith("Entities"):
            return bool(other.entities & {*said})
        if kind == "toFQDNs":
            return any(name.get("matchPattern", name.get("matchName")) in other.names for name in said)
        blocks = [block if isinstance(block, dict) else {"cidr": block} for block in said]
        return not other.namespace and any(self._in_network(block, other) for block in blocks)

    def _is_near(self, one: Object, other: Peer) -> bool:
        return one["kind"] == "CiliumClusterwideNetworkPolicy" or one["metadata"]["namespace"] == other.namespace

    def _in_network(self, block: Object, other: Peer) -> bool:
        if not other.address or (self.cilium and other.entities & {"host", "remote-node", "kube-apiserver"}):
            return False
        address = ip_address(other.address)
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(but) for but in block.get("except", [])
        )


def _add(openings: Openings, found: Iterable[tuple[Peer, Port] | tuple[Peer, Port, bool]]) -> None:
    """What one rule opens in part and another one wholly is wholly open."""
    for peer, port, *partly in found:
        openings[peer, port] = openings.get((peer, port), True) and any(partly)


def _with(openings: Openings, peer: Peer) -> dict[Port, bool]:
    return {port: partly for (other, port), partly in openings.items() if other is peer}


def _parts(one: Object) -> list[Object]:
    """A policy of Cilium may be several in one."""
    return [{**one, "spec": spec} for spec in one["specs"]] if "specs" in one else [one]


def _port(number: int, protocol: str) -> Port:
    return str(number) if protocol == "TCP" else f"{number}/{protocol}"


def _is(selector: Object, peer: Peer) -> bool:
    """Whether a selector means a pod; Cilium's may name the namespace as a label."""
    labels = {**peer.labels, _NAMESPACE: peer.namespace}
    plain = {
        "matchLabels": {key.removeprefix("k8s:"): value for key, value in selector.get("matchLabels", {}).items()},
        "matchExpressions": [
            {**rule, "key": rule["key"].removeprefix("k8s:")} for rule in selector.get("matchExpressions", [])
        ],
    }
    return selects(plain | {key: selector[key] for key in selector.keys() - plain.keys()}, labels)


def _names_namespace(selector: Object) -> bool:
    keys = {*selector.get("matchLabels", {}), *(rule["key"] for rule in selector.get("matchExpressions", []))}
    return any(key.removeprefix("k8s:") == _NAMESPACE for key in keys)
