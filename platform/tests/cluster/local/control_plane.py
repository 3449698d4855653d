"""The commands of the control plane: etcd, the API server, the controllers, the scheduler."""

from cluster.local.identities import Identities
from cluster.local.places import API_PORT, DOMAIN, ETCD_SOCKET, GATEWAY, POD_NETWORK, RUN, SERVICE_NETWORK, Places

# One of each: to elect a leader would only make the start longer.
ALONE = ("--leader-elect=false", "--bind-address=127.0.0.1")


def etcd(places: Places) -> tuple[str, ...]:
    """By sockets that only root can open, so that it needs no certificates of its own."""
    # What it tells others must look like an address and is never used: there is one of it, and one client.
    nobody = "http://127.0.0.1:2380"
    return (
        str(places.binaries / "etcd"),
        f"--data-dir={places.etcd}",
        "--unsafe-no-fsync",  # what a crash of the machine would lose is thrown away anyway
        f"--listen-client-urls=unix://{ETCD_SOCKET}",
        f"--advertise-client-urls={nobody}",
        f"--listen-peer-urls=unix://{RUN / 'etcd-peer.sock'}",
        f"--initial-advertise-peer-urls={nobody}",
        f"--initial-cluster=default={nobody}",
    )


def apiserver(places: Places, identities: Identities) -> tuple[str, ...]:
    """Everything that is on by default is: PodSecurity, ValidatingAdmissionPolicy, the Eviction API."""
    return (
        str(places.binaries / "kube-apiserver"),
        f"--etcd-servers=unix://{ETCD_SOCKET}",
        f"--bind-address={GATEWAY}",
        f"--advertise-address={GATEWAY}",
        f"--secure-port={API_PORT}",
        f"--cert-dir={identities.folder}",  # has them all; elsewhere it would leave an empty folder
        f"--tls-cert-file={identities.apiserver.certificate}",
        f"--tls-private-key-file={identities.apiserver.key}",
        f"--client-ca-file={identities.authority.certificate}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        f"--service-account-issuer=https://kubernetes.default.svc.{DOMAIN}",
        f"--service-account-key-file={identities.token_public_key}",
        f"--service-account-signing-key-file={identities.token_key}",
        # kubectl logs, exec and port-forward
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={identities.authority.certificate}",
        f"--kubelet-client-certificate={identities.apiserver_as_client.certificate}",
        f"--kubelet-client-key={identities.apiserver_as_client.key}",
        # aggregated APIs, such as metrics-server and KEDA's
        f"--requestheader-client-ca-file={identities.front_proxy_authority.certificate}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={identities.front_proxy.certificate}",
        f"--proxy-client-key-file={identities.front_proxy.key}",
    )


def controller_manager(places: Places, identities: Identities) -> tuple[str, ...]:
    """Each controller by its own service account, so that only their real rights are theirs."""
    return (
        str(places.binaries / "kube-controller-manager"),
        f"--kubeconfig={identities.kubeconfig('controller-manager')}",
        *ALONE,
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={identities.token_key}",
        f"--root-ca-file={identities.authority.certificate}",
        f"--cluster-signing-cert-file={identities.authority.certificate}",
        f"--cluster-signing-key-file={identities.authority.key}",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={POD_NETWORK}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
    )


def scheduler(places: Places, identities: Identities) -> tuple[str, ...]:
    """The default one."""
    kubeconfig = identities.kubeconfig("scheduler")
    return (str(places.binaries / "kube-scheduler"), f"--kubeconfig={kubeconfig}", *ALONE)
