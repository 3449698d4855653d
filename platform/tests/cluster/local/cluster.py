"""The cluster of this machine: brought up, used, taken down without a trace."""

import contextlib
import json
import shutil
import socket
from pathlib import Path

from cluster.local import control_plane, identities, images, machine, network, node, remains, roles, volumes
from cluster.local.errors import ClusterError
from cluster.local.identities import Identities
from cluster.local.kubectl import Kubectl
from cluster.local.places import API_PORT, CONTAINERD_SOCKET, ETCD_SOCKET, GATEWAY, NODE, RUN, Places
from cluster.local.processes import Process, Processes

# In the order in which they end: first whoever would bring back what is taken down.
PARTS = (
    *("kubelet", "kube-proxy", "coredns", "scheduler", "controller-manager", "apiserver", "etcd"),
    "containerd",
)


class LocalCluster:
    """A Kubernetes of one node: one on a machine at a time; it outlives the process that starts it."""

    def __init__(self, home: Path | None = None, *, outbound: bool = False) -> None:
        """`home` has its files (else CHAT_CLUSTER_HOME, .cache/cluster); `outbound` lets pods reach others."""
        self._places = Places.of(home)
        self._outbound = outbound
        self._processes = Processes(RUN, self._places.logs)
        self._kubectl = Kubectl(self._places.binaries, self._places.kubeconfig)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; of use once the cluster is up."""
        return self._places.kubeconfig

    @property
    def binaries(self) -> Path:
        """The folder of kubectl and of the cluster's own programs."""
        return self._places.binaries

    @property
    def is_up(self) -> bool:
        """Whether every part runs."""
        return all(self.parts().values())

    def parts(self) -> dict[str, Process | None]:
        """The process of each part, None where it does not run."""
        return {name: self._processes.find(name) if self._is_ours() else None for name in PARTS}

    def start(self) -> None:
        """Brings the cluster up, where it is not up already; where a part fails nothing stays but the logs."""
        machine.check_root()
        self._refuse_others()
        if self.is_up:
            return
        self.stop()
        machine.check(self._places.binaries)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Takes everything down that a start has made; the programs, the images and the logs stay."""
        machine.check_root()
        self._refuse_others()
        if not RUN.exists() and not self._places.before.exists():
            return
        self._processes.stop("kubelet")
        self._remove_pods()
        for name in PARTS:
            self._processes.stop(name)
        remains.unmount(self._places.kubelet, RUN)
        remains.remove_cgroups()
        network.remove()
        machine.restore(self._places)
        for folder in self._places.made:
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(RUN, ignore_errors=True)

    def load(self, archive: Path) -> None:
        """Imports the images of an archive (`docker save`, or an OCI layout as tar)."""
        if not self._processes.lives("containerd"):
            raise ClusterError("the cluster is not up: images are loaded into a running one")
        images.load(archive)

    def renew_volumes(self) -> list[str]:
        """Makes the volumes of deleted claims empty and free again; gives their names."""
        return volumes.renew(self._kubectl, self._places.volumes)

    def _start(self) -> None:
        places = self._places
        RUN.mkdir(mode=0o700)
        self._owner.write_text(str(places.home))
        for folder in (places.home, places.logs, places.configuration):
            folder.mkdir(parents=True, exist_ok=True)
        machine.remember(places)
        network.make()
        who = identities.make(places.identities)
        self._start_control_plane(who)
        self._start_node(who)
        self._await_node()

    def _start_control_plane(self, who: Identities) -> None:
        places, processes = self._places, self._processes
        processes.start("etcd", *control_plane.etcd(places))
        processes.start("containerd", *node.containerd(places, outbound=self._outbound))
        processes.wait("etcd", ETCD_SOCKET.exists)
        processes.start("apiserver", *control_plane.apiserver(places, who))
        processes.wait("containerd", lambda: _answers(CONTAINERD_SOCKET))
        pause = places.configuration / "pause.tar"
        images.make_pause(places.binaries / "pause", pause)
        images.load(pause)
        processes.wait("apiserver", lambda: _answers(API_PORT) and self._kubectl.succeeds("get", "--raw=/readyz"))
        processes.start("controller-manager", *control_plane.controller_manager(places, who))
        processes.start("scheduler", *control_plane.scheduler(places, who))

    def _start_node(self, who: Identities) -> None:
        places, processes = self._places, self._processes
        processes.start("kubelet", *node.kubelet(places, who))
        processes.start("kube-proxy", *node.kube_proxy(places, who))
        volumes.make(places.volumes)
        objects = [*roles.objects(), *volumes.objects(places.volumes)]
        self._kubectl(
            "create", "--filename=-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        )
        processes.start("coredns", *node.coredns(places, who, outbound=self._outbound))

    def _await_node(self) -> None:
        wait, succeeds = self._processes.wait, self._kubectl.succeeds
        wait("coredns", lambda: _answers(53))
        # No pod is admitted before its account is there.
        wait("controller-manager", lambda: succeeds("get", "serviceaccount", "default"))
        wait("kubelet", lambda: succeeds("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=1s"))
        for name in ("scheduler", "kube-proxy"):
            wait(name, lambda: True)

    def _remove_pods(self) -> None:
        """Also where containerd has died: what it started lives on without it."""
        if not self._processes.lives("containerd"):
            if not remains.has_pods(RUN):
                return
            self._processes.start("containerd", *node.containerd(self._places, outbound=self._outbound))
            self._processes.wait("containerd", lambda: _answers(CONTAINERD_SOCKET))
        remains.remove_pods(self._places.binaries)

    @property
    def _owner(self) -> Path:
        return RUN / "home"

    def _is_ours(self) -> bool:
        return self._owner.exists() and self._owner.read_text() == str(self._places.home)

    def _refuse_others(self) -> None:
        if self._owner.exists() and not self._is_ours():
            home = self._owner.read_text()
            raise ClusterError(
                f"this machine's cluster is that of {home}: take it down with CHAT_CLUSTER_HOME={home}"
            )


def _answers(where: Path | int) -> bool:
    """Whether somebody listens on a socket, or on a port of the cluster's address."""
    family = socket.AF_UNIX if isinstance(where, Path) else socket.AF_INET
    with socket.socket(family) as client, contextlib.suppress(OSError):
        client.connect(str(where) if isinstance(where, Path) else (GATEWAY, where))
        return True
    return False
