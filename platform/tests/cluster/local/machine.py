"""What the cluster needs of this machine, and how the machine was before it."""

import ipaddress
import json
import os
import shutil
from pathlib import Path

from cluster.local import iptables
from cluster.local.commands import PATH, run, succeeds
from cluster.local.errors import ClusterError
from cluster.local.places import BRIDGE, POD_NETWORK, SERVICE_BRIDGE, SERVICE_NETWORK, TOOLS, Places

CNI_PLUGINS = Path("/usr/lib/cni")
DEBIAN_PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "mount": "mount",
    "openssl": "openssl",
}
PROGRAMS = (
    *("etcd", "coredns", "pause", "remove-pods"),
    *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl"),
)
# The kubelet and kube-proxy set these and never set them back.
KERNEL_SETTINGS = (
    *("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"),
    *("kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"),
    *("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"),
)
# The kubelet, containerd and the CNI plugins have these outside of the folders that they are told.
FOLDERS = tuple(
    map(Path, ("/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers", "/run/netns"))
)
KERNEL = Path("/proc/sys")


def check(binaries: Path) -> None:
    """Raises where this machine cannot have the cluster, with everything that is missing."""
    check_root()
    missing = {package for program, package in DEBIAN_PACKAGES.items() if not shutil.which(program, path=PATH)}
    if not (CNI_PLUGINS / "firewall").exists():
        missing.add("containernetworking-plugins")
    if missing:
        raise ClusterError(f"this machine lacks Debian packages: apt-get install {' '.join(sorted(missing))}")
    unbuilt = [program for program in PROGRAMS if not (binaries / program).exists()]
    if unbuilt:
        raise ClusterError(f"{binaries} lacks {', '.join(unbuilt)}: run scripts/kubernetes, which builds them")
    # Without it a pod's packet to a Service never meets kube-proxy's rules, and nobody is told.
    if not (KERNEL / "net/bridge").exists() and not succeeds("modprobe", "br_netfilter"):
        raise ClusterError("this kernel has no br_netfilter: Services could not be reached from pods")
    _check_no_other_kubelet()
    _check_free_networks()


def check_root() -> None:
    """Raises for everyone but root."""
    if os.geteuid() != 0:
        raise ClusterError("only root can make namespaces, mounts and network interfaces: run it as root")


def remember(places: Places) -> None:
    """Notes how the machine is; not again where an earlier start was not taken down."""
    if places.before.exists():
        return
    settings = {name: (KERNEL / name).read_text() for name in KERNEL_SETTINGS if (KERNEL / name).exists()}
    folders = [str(folder) for folder in FOLDERS if folder.exists()]
    places.before.write_text(
        json.dumps({"settings": settings, "folders": folders, "chains": sorted(iptables.chains())})
    )


def restore(places: Places) -> None:
    """Makes the machine as it was noted."""
    if not places.before.exists():
        return
    before = json.loads(places.before.read_text())
    iptables.remove(iptables.chains() - set(before["chains"]))
    for name, value in before["settings"].items():
        (KERNEL / name).write_text(value)
    for folder in FOLDERS:
        if str(folder) not in before["folders"]:
            shutil.rmtree(folder, ignore_errors=True)  # what others mount there is busy, and stays
    places.before.unlink()


def _check_no_other_kubelet() -> None:
    for name in Path("/proc").glob("[0-9]*/comm"):
        try:
            found = name.read_text().strip() == "kubelet"
        except OSError:
            continue
        if found:
            raise ClusterError(
                f"another kubelet runs here (process {name.parent.name}), and two would remove each other's pods:"
                " stop it, or use that cluster with KUBECONFIG"
            )


def _check_free_networks() -> None:
    own = [ipaddress.ip_network(network) for network in (POD_NETWORK, SERVICE_NETWORK)]
    for route in json.loads(run("ip", "-4", "-json", "route", "show")):
        if route["dst"] == "default" or route.get("dev") in (BRIDGE, SERVICE_BRIDGE):
            continue
        taken = ipaddress.ip_network(route["dst"])
        if any(network.overlaps(taken) for network in own):
            raise ClusterError(
                f"this machine has a route to {taken} by {route.get('dev')}, where the cluster's pods"
                f" ({POD_NETWORK}) and Services ({SERVICE_NETWORK}) must be"
            )


def tools_on_path(binaries: Path) -> str:
    """What PATH must begin with, for kubectl and Helm."""
    return f"{binaries}{os.pathsep}{TOOLS}"
