"""The cluster's own network on this machine: two bridges, a route, a guard, and what pods are given of it."""

from pathlib import Path

from cluster.local.commands import run, succeeds
from cluster.local.places import BRIDGE, GATEWAY, POD_NETWORK, SERVICE_BRIDGE, SERVICE_NETWORK

GUARD = "CHAT-CLUSTER"
# Given, so that it does not change as pods come and go: they would go on to send to the old one.
BRIDGE_ADDRESS = "0a:58:0a:f4:00:01"


def make() -> None:
    """Makes the interfaces, unless an earlier start has left them."""
    remove()
    run("ip", "link", "add", BRIDGE, "address", BRIDGE_ADDRESS, "type", "bridge")
    run("ip", "address", "add", f"{GATEWAY}/{POD_NETWORK.partition('/')[2]}", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    # kube-proxy turns a Service's address into a pod's before a packet gets here. One that no Service has must
    # die on this machine and not ask its way in the network outside; on a bridge without members nobody answers.
    run("ip", "link", "add", SERVICE_BRIDGE, "type", "bridge")
    run("ip", "link", "set", SERVICE_BRIDGE, "up")
    run("ip", "route", "replace", SERVICE_NETWORK, "dev", SERVICE_BRIDGE, "src", GATEWAY)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    _guard()


def remove() -> None:
    """Removes the interfaces, and their addresses and routes with them."""
    for bridge in (BRIDGE, SERVICE_BRIDGE):
        if succeeds("ip", "link", "show", bridge):
            run("ip", "link", "delete", bridge)


def cni(*, outbound: bool) -> dict[str, object]:
    """The network of pods as the CNI plugins read it; with `outbound` pods reach what this machine reaches."""
    # Without a default route nothing that is tested can depend on, or disturb, what is outside of this machine.
    routes = [{"dst": "0.0.0.0/0" if outbound else SERVICE_NETWORK}]
    return {
        "cniVersion": "0.4.0",  # the newest that Debian 12's plugins know
        "name": "chat-cluster",
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "isGateway": True,
                "hairpinMode": True,  # a pod may reach itself by its Service
                "ipMasq": outbound,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": POD_NETWORK}]], "routes": routes},
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
            # A Docker Engine makes the machine drop whatever it forwards and does not know: pods' packets as well.
            {"type": "firewall", "backend": "iptables"},
        ],
    }


def _guard() -> None:
    """A machine takes packets for any of its addresses from any of its interfaces: not for these."""
    rules = [
        "*raw",
        f":{GUARD} - [0:0]",
        *(f"-A {GUARD} -i {interface} -j RETURN" for interface in ("lo", BRIDGE)),
        *(f"-A {GUARD} -d {network} -j DROP" for network in (POD_NETWORK, SERVICE_NETWORK)),
    ]
    if not succeeds("iptables", "--wait", "--table", "raw", "--check", "PREROUTING", "--jump", GUARD):
        rules.append(f"-I PREROUTING -j {GUARD}")
    run("iptables-restore", "--noflush", "--wait", text="\n".join([*rules, "COMMIT\n"]))
