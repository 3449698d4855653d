"""Argo CD beside a cluster: its kinds and settings there, its controllers as processes of this machine."""

from __future__ import annotations

import json
import secrets
import socket
import tempfile
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.servers.process import free_port

from cluster.gitops.settings import NAMESPACE, Settings
from cluster.gitops.traces import undone
from cluster.local.processes import Processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.gitops.server import GitServer
    from cluster.kubectl import Kubectl, Object

ROOT = Path(__file__).parents[4]
PROGRAM = ROOT / ".cache" / "tools" / "argocd"
LOGS = ROOT / ".cache" / "cluster" / "logs"
HERE = "127.0.0.1"
REDIS = "argocd-redis"
REPO_SERVER = "argocd-repo-server"
APPLICATION_SETS = "argocd-applicationset-controller"
APPLICATIONS = "argocd-application-controller"
NOWHERE = "https://127.0.0.1:9"
IN_CLUSTER = "https://kubernetes.default.svc"
"""The cluster that Argo CD itself is in."""


class ControlPlane:
    """An Argo CD that runs, with nothing to reach but the cluster and the Git servers here."""

    def __init__(self, kubectl: Kubectl, server: GitServer, home: Path) -> None:
        """`kubectl` is in the namespace that is Argo CD's."""
        self.kubectl = kubectl
        self._server = server
        self._home = home
        self._processes = Processes(home, LOGS)
        self._settings = Settings(kubectl)
        self._ports = {name: free_port() for name in (REDIS, REPO_SERVER)}

    def start(self) -> None:
        """Put its kinds and settings there, and start its parts."""
        put_there = self._settings.objects(secrets.token_hex(16))
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": put_there})
        # The description of ApplicationSet is longer than what `apply` keeps in an annotation.
        self.kubectl.run("apply", "--server-side", "--force-conflicts", "--filename=-", given=given)
        kinds = [one["metadata"]["name"] for one in put_there if one["kind"] == "CustomResourceDefinition"]
        self.kubectl.wait_for_kinds(*kinds)
        LOGS.mkdir(parents=True, exist_ok=True)
        for folder in ("tls", "ssh", "plugins", "tmp", "helm"):
            (self._home / folder).mkdir()
        for host in self._server.hosts:
            (self._home / "tls" / host).write_bytes(self._server.authority.read_bytes())
        self._start_redis()
        self._start_repo_server()
        self._start_controllers()

    def stop(self) -> None:
        """End its parts."""
        for name in (APPLICATION_SETS, APPLICATIONS, REPO_SERVER, REDIS):
            self._processes.stop(name)

    def register(self, *names: str) -> None:
        """Make names of clusters stand for the one cluster that there is."""
        self._register(names, self._view["clusters"][0]["cluster"]["server"])

    def register_far(self, *names: str) -> None:
        """Make names of clusters known, at an address where nobody answers; `mgmt` is the one that it is in."""
        self._register(names, NOWHERE)

    def tail(self) -> str:
        """The ends of the logs of its parts."""
        parts = (REPO_SERVER, APPLICATION_SETS, APPLICATIONS)
        return "\n".join(f"{name}:\n{self._processes.tail(name)}" for name in parts)

    def _register(self, names: tuple[str, ...], url: str) -> None:
        # Argo CD knows clusters apart by their URLs alone; clients drop what follows the question mark.
        urls = {name: IN_CLUSTER if name == "mgmt" else f"{url}?cluster={name}" for name in names}
        self.kubectl.apply(*(_cluster(name, urls[name], self._view) for name in names))

    def _start_redis(self) -> None:
        port = self._ports[REDIS]
        told = ("--port", str(port), "--bind", HERE, "--save", "", "--dir", str(self._home))
        self._processes.start(REDIS, "redis-server", *told)
        self._processes.wait(REDIS, lambda: _listens(port))

    def _start_repo_server(self) -> None:
        port = self._ports[REPO_SERVER]
        home = self._home
        proxy = self._server.proxy
        environment = {
            # Charts of add-ons are in repositories that this machine may not reach: they are refused at once.
            **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy),
            **{f"HELM_{kind}_HOME": str(home / "helm") for kind in ("CACHE", "CONFIG", "DATA")},
            "ARGOCD_GPG_ENABLED": "false",
            "ARGOCD_TLS_DATA_PATH": str(home / "tls"),
            "ARGOCD_SSH_DATA_PATH": str(home / "ssh"),
            "ARGOCD_PLUGINSOCKFILEPATH": str(home / "plugins"),
            "ARGOCD_ASK_PASS_SOCK": str(home / "ask"),
        }
        told = (f"--address={HERE}", f"--port={port}", f"--metrics-address={HERE}", "--disable-tls")
        self._start(REPO_SERVER, environment, *told, f"--metrics-port={free_port()}", self._redis)
        self._processes.wait(REPO_SERVER, lambda: _listens(port))

    def _start_controllers(self) -> None:
        server = f"{HERE}:{self._ports[REPO_SERVER]}"
        ports = [f"--{name}-addr={HERE}:{free_port()}" for name in ("metrics", "probe", "webhook")]
        common = ("--repo-server-plaintext", f"--namespace={NAMESPACE}")
        self._start(APPLICATION_SETS, {}, f"--argocd-repo-server={server}", *common, *ports)
        metrics = free_port()
        told = (f"--repo-server={server}", *common, f"--metrics-port={metrics}", self._redis)
        self._start(APPLICATIONS, {"ARGOCD_FAKE_IN_CLUSTER": "true"}, *told)
        self._processes.wait(APPLICATIONS, lambda: _listens(metrics))
        probe = int(ports[1].rpartition(":")[2])
        self._processes.wait(APPLICATION_SETS, lambda: _listens(probe))

    def _start(self, name: str, environment: dict[str, str], *arguments: str) -> None:
        """Start a part with what its pod would be told, except for where things are."""
        variables = {
            **self._settings.environment(name),
            **environment,
            "ARGOCD_BINARY_NAME": name,
            "KUBECONFIG": self.kubectl.environment["KUBECONFIG"],
            "PATH": self.kubectl.environment["PATH"],
            "HOME": str(self._home),
            "TMPDIR": str(self._home / "tmp"),
            "KUBECACHEDIR": str(self._home / "tmp" / "kinds"),
        }
        told = [f"{variable}={value}" for variable, value in variables.items()]
        self._processes.start(name, "env", *told, str(PROGRAM), *arguments)

    @cached_property
    def _view(self) -> Object:
        """The kubeconfig, of the one cluster that is used."""
        view: Object = json.loads(self.kubectl.run("config", "view", "--raw", "--minify", "--output=json"))
        return view

    @property
    def _redis(self) -> str:
        return f"--redis={HERE}:{self._ports[REDIS]}"


@contextmanager
def running(kubectl: Kubectl, server: GitServer) -> Iterator[ControlPlane]:
    """A cluster with Argo CD, and without it and all that it made when this ends."""
    with undone(kubectl), tempfile.TemporaryDirectory(prefix="argocd-", dir="/tmp") as home:
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        made = ControlPlane(kubectl.inside(NAMESPACE), server, Path(home))
        try:
            made.start()
            yield made
        finally:
            made.stop()


def _cluster(name: str, url: str, view: Object) -> Object:
    """The Secret by which Argo CD knows a cluster, with the rights of whoever runs the tests."""
    user, cluster = view["users"][0]["user"], view["clusters"][0]["cluster"]
    tls = {
        "caData": cluster["certificate-authority-data"],
        "certData": user["client-certificate-data"],
        "keyData": user["client-key-data"],
    }
    # Where Argo CD is itself, it asks the API server as it always does.
    config = {} if url == IN_CLUSTER else {"tlsClientConfig": tls}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"cluster-{name}", "labels": {"argocd.argoproj.io/secret-type": "cluster"}},
        "stringData": {"name": name, "server": url, "config": json.dumps(config)},
    }


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HERE, port)) == 0
