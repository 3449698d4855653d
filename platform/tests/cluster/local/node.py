"""The node: containerd, the kubelet, kube-proxy and CoreDNS, with the files that tell them what to do."""

import json
from pathlib import Path

from cluster.local import network
from cluster.local.identities import Identities
from cluster.local.images import PAUSE
from cluster.local.machine import CNI_PLUGINS
from cluster.local.places import CONTAINERD_SOCKET, DOMAIN, GATEWAY, NODE, POD_NETWORK, RUN, Places

# Without CAP_SYS_RESOURCE, as in many CI machines, nobody may be made less likely to be killed than its parent:
# runc would fail for every pod's first process.
CONTAINERD = """\
version = 2
root = "{root}"
state = "{run}/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{cni}"
"""

# Names outside of the cluster are unknown at once, where pods have no way to those outside.
COREDNS = """\
{domain}:53 in-addr.arpa:53 {{
    bind {address}
    errors
    cache 5
    kubernetes {domain} in-addr.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
    }}
}}
.:53 {{
    bind {address}
    errors
    {others}
}}
"""
UNKNOWN = "template ANY ANY {\n        rcode NXDOMAIN\n    }"
FORWARDED = "forward . /etc/resolv.conf"


def containerd(places: Places, *, outbound: bool) -> tuple[str, ...]:
    """Debian's containerd, apart from the one that the machine may run."""
    cni = places.configuration / "cni"
    cni.mkdir(exist_ok=True)
    _write(cni / "10-chat-cluster.conflist", network.cni(outbound=outbound))
    configuration = places.configuration / "containerd.toml"
    configuration.write_text(
        CONTAINERD.format(
            root=places.containerd, run=RUN, socket=CONTAINERD_SOCKET, pause=PAUSE, plugins=CNI_PLUGINS, cni=cni
        )
    )
    return ("containerd", f"--config={configuration}")


def kubelet(places: Places, identities: Identities) -> tuple[str, ...]:
    """The kubelet."""
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "address": GATEWAY,
        "tlsCertFile": str(identities.kubelet.certificate),
        "tlsPrivateKeyFile": str(identities.kubelet.key),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(identities.authority.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        # Machines for CI have cgroup v1, swap and no systemd often enough.
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,  # nothing here needs them, and no one would remove them
        "clusterDomain": DOMAIN,
        "clusterDNS": [GATEWAY],
        "resolvConf": "",  # what this machine asks is not for pods to ask
        "volumePluginDir": str(places.kubelet / "volume-plugins"),
        # An image that is collected can never be pulled again.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    }
    file = _write(places.configuration / "kubelet.json", configuration)
    return (
        str(places.binaries / "kubelet"),
        f"--config={file}",
        f"--kubeconfig={identities.kubeconfig('kubelet')}",
        f"--root-dir={places.kubelet}",
        f"--hostname-override={NODE}",
        f"--node-ip={GATEWAY}",
    )


def kube_proxy(places: Places, identities: Identities) -> tuple[str, ...]:
    """kube-proxy."""
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(identities.kubeconfig("kube-proxy"))},
        "mode": "iptables",
        "hostnameOverride": NODE,
        "clusterCIDR": POD_NETWORK,
        "healthzBindAddress": "127.0.0.1:10256",
        "nodePortAddresses": [POD_NETWORK],  # the bridge, and no interface that leads out
        "iptables": {"localhostNodePorts": False},
        # The machine's own table of connections is not the cluster's to size.
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    file = _write(places.configuration / "kube-proxy.json", configuration)
    return (str(places.binaries / "kube-proxy"), f"--config={file}")


def coredns(places: Places, identities: Identities, *, outbound: bool) -> tuple[str, ...]:
    """CoreDNS, on the bridge's address and not behind a Service: pods need no other pod to find each other."""
    corefile = places.configuration / "Corefile"
    corefile.write_text(
        COREDNS.format(
            domain=DOMAIN,
            address=GATEWAY,
            kubeconfig=identities.kubeconfig("coredns"),
            others=FORWARDED if outbound else UNKNOWN,
        )
    )
    return (str(places.binaries / "coredns"), "-conf", str(corefile))


def _write(file: Path, content: object) -> Path:
    """JSON, which is YAML too."""
    file.write_text(json.dumps(content, indent=2) + "\n")
    return file
