"""Who is who in the cluster: a certificate for each part, and the kubeconfigs of those who ask the API server."""

import base64
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from cluster.local import certificates
from cluster.local.certificates import Pair
from cluster.local.places import API_PORT, API_SERVICE, DOMAIN, GATEWAY, NODE

# Each part may do what its name or group is bound to by Kubernetes' own roles, and not more; CoreDNS's is ours.
CLIENTS = {
    "admin": "/O=system:masters/CN=admin",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "kube-proxy": "/CN=system:kube-proxy",
    "kubelet": f"/O=system:nodes/CN=system:node:{NODE}",
    "coredns": "/CN=system:coredns",
}


@dataclass(frozen=True)
class Identities:
    """The files of one start of the cluster."""

    folder: Path
    authority: Pair
    apiserver: Pair
    apiserver_as_client: Pair
    kubelet: Pair
    front_proxy_authority: Pair
    front_proxy: Pair
    token_key: Path
    token_public_key: Path

    def kubeconfig(self, client: str) -> Path:
        """The kubeconfig of one of CLIENTS."""
        return self.folder / f"{client}.kubeconfig"


def make(folder: Path) -> Identities:
    """Makes all of them; those of earlier starts are void."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    authority = certificates.authority(folder, "kubernetes")
    # An authority of its own: whoever has its certificate may speak for any user to an aggregated API.
    front_proxy_authority = certificates.authority(folder, "front-proxy-authority")
    names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    alternatives = (
        *(f"DNS:{name}" for name in (*names, f"kubernetes.default.svc.{DOMAIN}")),
        *(f"IP:{address}" for address in ("127.0.0.1", GATEWAY, API_SERVICE)),
    )
    token_key, token_public_key = certificates.token_key(folder)
    for client, subject in CLIENTS.items():
        _write_kubeconfig(folder, authority, certificates.issue(authority, client, subject))
    return Identities(
        folder=folder,
        authority=authority,
        apiserver=certificates.issue(authority, "apiserver", "/CN=kube-apiserver", alternatives),
        apiserver_as_client=certificates.issue(
            authority, "apiserver-as-client", "/O=system:masters/CN=kube-apiserver-kubelet-client"
        ),
        # So that metrics-server and the API server can check whom they ask.
        kubelet=certificates.issue(
            authority, "kubelet-server", f"/CN=system:node:{NODE}", (f"DNS:{NODE}", f"IP:{GATEWAY}")
        ),
        front_proxy_authority=front_proxy_authority,
        front_proxy=certificates.issue(front_proxy_authority, "front-proxy", "/CN=front-proxy-client"),
        token_key=token_key,
        token_public_key=token_public_key,
    )


def _write_kubeconfig(folder: Path, authority: Pair, client: Pair) -> None:
    """With everything in it, so that it may be copied; JSON is YAML too."""
    cluster = {
        "server": f"https://{GATEWAY}:{API_PORT}",
        "certificate-authority-data": _data(authority.certificate),
    }
    user = {"client-certificate-data": _data(client.certificate), "client-key-data": _data(client.key)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "chat-cluster", "cluster": cluster}],
        "users": [{"name": client.name, "user": user}],
        "contexts": [{"name": "chat-cluster", "context": {"cluster": "chat-cluster", "user": client.name}}],
        "current-context": "chat-cluster",
    }
    file = folder / f"{client.name}.kubeconfig"
    file.touch(mode=0o600)
    file.write_text(json.dumps(content, indent=2) + "\n")


def _data(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
