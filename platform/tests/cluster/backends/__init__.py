"""MongoDB and Redis as pods, and the Secrets by which a release finds them."""

from __future__ import annotations

import base64
import hashlib
import secrets
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster.kubectl import Kubectl, Object

HERE = Path(__file__).parent
STACK = HERE.parents[3] / "chat-service" / "stack"
REDIS_RIGHTS = (
    "~chat:* resetchannels &chat:* -@all +@pubsub +@stream +@scripting +@sortedset +@set +@hash +time +ping"
)


def start(kubectl: Kubectl) -> None:
    """Start both in the namespace, with new passwords, and wait until they serve."""
    root = secrets.token_hex(16)
    uri = f"mongodb://root:{root}@mongodb:27017/admin?directConnection=true"
    server = {"root": root, "key": secrets.token_hex(16), "uri": uri}
    kubectl.apply(
        _config("mongodb-setup", STACK / "mongodb-setup.js"), _config("redis-settings", STACK / "redis.conf")
    )
    _set_mongodb_password(kubectl, server, secrets.token_hex(16))
    password = secrets.token_hex(16)
    _take_redis_passwords(kubectl, password)
    _tell_redis_password(kubectl, password)
    kubectl.run("apply", f"--filename={HERE / 'mongodb.yaml'}", f"--filename={HERE / 'redis.yaml'}")
    _set_up(kubectl)


def lend(kubectl: Kubectl, other: Kubectl) -> None:
    """Have a release in another namespace find them, as it finds those that are beyond its cluster."""
    for name in ("mongodb", "redis"):
        secret = f"chat-{name}"
        data = kubectl.get("secret", secret)["data"]
        leads_to = {"type": "ExternalName", "externalName": f"{name}.{kubectl.namespace}.svc.cluster.local"}
        other.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "data": data},
            # The store's own name for itself is this short one.
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": leads_to},
        )


def renew_mongodb_password(kubectl: Kubectl) -> None:
    """Give the service's user another password, on the server and in the release's Secret."""
    known = kubectl.get("secret", "mongodb-server")["data"]
    server = {name: base64.b64decode(value).decode() for name, value in known.items()}
    _set_mongodb_password(kubectl, server, secrets.token_hex(16))
    kubectl.run("delete", "job", "mongodb-setup")
    kubectl.run("apply", f"--filename={HERE / 'mongodb.yaml'}")
    _set_up(kubectl)


def renew_redis_password(kubectl: Kubectl) -> Callable[[], None]:
    """Have the server take another password too, and tell the release. What is given ends the old one."""
    old = base64.b64decode(kubectl.get("secret", "redis-server")["data"]["password"]).decode()
    new = secrets.token_hex(16)
    _take_redis_passwords(kubectl, new, old)
    restart(kubectl, "deployment/redis")
    _tell_redis_password(kubectl, new)
    return partial(_end_old_password, kubectl, new)


def restart(kubectl: Kubectl, workload: str) -> None:
    """Replace the pod of one of the two, and wait until it serves."""
    kubectl.run("rollout", "restart", workload)
    kubectl.run("rollout", "status", workload, "--timeout=120s")


def _end_old_password(kubectl: Kubectl, new: str) -> None:
    _take_redis_passwords(kubectl, new)
    restart(kubectl, "deployment/redis")


def _set_up(kubectl: Kubectl) -> None:
    kubectl.run("rollout", "status", "statefulset/mongodb", "--timeout=120s")
    kubectl.run("rollout", "status", "deployment/redis", "--timeout=120s")
    kubectl.run("wait", "--for=condition=complete", "job/mongodb-setup", "--timeout=120s")


def _set_mongodb_password(kubectl: Kubectl, server: dict[str, str], password: str) -> None:
    uri = f"mongodb://chat:{password}@mongodb:27017/chat?authSource=admin&replicaSet=rs0&retryWrites=false"
    told = {"uri": uri, "host": "mongodb", "port": "27017", "username": "chat", "password": password}
    kubectl.apply(_secret("mongodb-server", server | {"chat": password}), _secret("chat-mongodb", told))


def _take_redis_passwords(kubectl: Kubectl, *passwords: str) -> None:
    digests = " ".join(f"#{hashlib.sha256(one.encode()).hexdigest()}" for one in passwords)
    users = f"user default off\nuser chat on {digests} {REDIS_RIGHTS}\n"
    kubectl.apply(_secret("redis-server", {"users.acl": users, "password": passwords[0]}))


def _tell_redis_password(kubectl: Kubectl, password: str) -> None:
    uri = f"redis://chat:{password}@redis:6379"
    told = {"uri": uri, "host": "redis", "port": "6379", "username": "chat", "password": password}
    kubectl.apply(_secret("chat-redis", told))


def _secret(name: str, content: dict[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": content}


def _config(name: str, file: Path) -> Object:
    data = {file.name: file.read_text()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
