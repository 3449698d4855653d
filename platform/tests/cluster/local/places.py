"""Where the cluster keeps its files, and the names and addresses that it takes on this machine."""

import os
from dataclasses import dataclass
from pathlib import Path

NODE = "local"
DOMAIN = "cluster.local"
BRIDGE = "chat-pods"
POD_NETWORK = "10.244.0.0/24"
# The node's own address is the bridge's: NodePorts, the API server and DNS answer to this machine and its pods,
# and nothing of the cluster listens on an interface that leads out.
GATEWAY = "10.244.0.1"
SERVICE_BRIDGE = "chat-services"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
API_PORT = 6443

# Short and fixed: a socket's path may have 107 bytes only. In memory, so that no pid outlives a reboot.
RUN = Path("/run/chat-cluster")
CONTAINERD_SOCKET = RUN / "containerd.sock"
ETCD_SOCKET = RUN / "etcd.sock"

REPOSITORY = Path(__file__).resolve().parents[4]
TOOLS = REPOSITORY / ".cache/tools"


@dataclass(frozen=True)
class Places:
    """The files of one cluster."""

    home: Path
    binaries: Path = TOOLS / "kubernetes"

    @classmethod
    def of(cls, home: Path | None) -> "Places":
        """Those below `home`; without it below CHAT_CLUSTER_HOME or in the repository's cache."""
        return cls((home or Path(os.environ.get("CHAT_CLUSTER_HOME") or REPOSITORY / ".cache/cluster")).resolve())

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.identities / "admin.kubeconfig"

    @property
    def identities(self) -> Path:
        """Keys, certificates and kubeconfigs, made anew for every start."""
        return self.home / "identities"

    @property
    def configuration(self) -> Path:
        """What the parts are told in files."""
        return self.home / "configuration"

    @property
    def logs(self) -> Path:
        """One log for each part; those of the last start are kept."""
        return self.home / "logs"

    @property
    def etcd(self) -> Path:
        """Everything that the API server knows."""
        return self.home / "etcd"

    @property
    def kubelet(self) -> Path:
        """The kubelet's folder, with the volumes of the pods."""
        return self.home / "kubelet"

    @property
    def containerd(self) -> Path:
        """Images; they outlive the cluster."""
        return self.home / "containerd"

    @property
    def volumes(self) -> Path:
        """What is behind the PersistentVolumes."""
        return self.home / "volumes"

    @property
    def before(self) -> Path:
        """How this machine was before the cluster."""
        return self.home / "before.json"

    @property
    def made(self) -> tuple[Path, ...]:
        """The folders that end with the cluster."""
        return (self.etcd, self.identities, self.configuration, self.kubelet, self.volumes)
