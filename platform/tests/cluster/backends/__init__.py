"""MongoDB and Redis as pods, and the Secrets by which a release finds them."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.kubectl import Kubectl, Object

HERE = Path(__file__).parent
STACK = HERE.parents[3] / "chat-service" / "stack"
REDIS_RIGHTS = (
    "~chat:* resetchannels &chat:* -@all +@pubsub +@stream +@scripting +@sortedset +@set +@hash +time +ping"
)


def start(kubectl: Kubectl) -> None:
    """Start both in the namespace, with new passwords, and wait until they serve."""
    _mongodb_secrets(kubectl)
    _redis_secrets(kubectl, secrets.token_hex(16))
    for name in ("mongodb", "redis"):
        kubectl.run("apply", f"--filename={HERE / name}.yaml")
    kubectl.run("rollout", "status", "statefulset/mongodb", "deployment/redis", "--timeout=120s")
    kubectl.run("wait", "--for=condition=complete", "job/mongodb-setup", "--timeout=120s")


def renew_redis_password(kubectl: Kubectl) -> None:
    """Give the bus another password: the server takes both, then the release's Secret has the new one."""
    old = _read(kubectl, "redis-server", "password")
    new = secrets.token_hex(16)
    kubectl.apply(_secret("redis-server", {"users.acl": _acl(old, new), "password": new}))
    _release_secret(kubectl, new)


def _mongodb_secrets(kubectl: Kubectl) -> None:
    root, chat = secrets.token_hex(16), secrets.token_hex(16)
    uri = f"mongodb://chat:{chat}@mongodb:27017/chat?authSource=admin&replicaSet=rs0&retryWrites=false"
    kubectl.apply(
        _secret(
            "mongodb-server",
            {
                "root": root,
                "chat": chat,
                "key": secrets.token_hex(16),
                "uri": f"mongodb://root:{root}@mongodb:27017/admin?directConnection=true",
            },
        ),
        _secret(
            "chat-mongodb", {"uri": uri, "host": "mongodb", "port": "27017", "username": "chat", "password": chat}
        ),
        _config("mongodb-setup", STACK / "mongodb-setup.js"),
    )


def _redis_secrets(kubectl: Kubectl, password: str) -> None:
    kubectl.apply(
        _secret("redis-server", {"users.acl": _acl(password), "password": password}),
        _config("redis-settings", STACK / "redis.conf"),
    )
    _release_secret(kubectl, password)


def _release_secret(kubectl: Kubectl, password: str) -> None:
    uri = f"redis://chat:{password}@redis:6379"
    told = {"uri": uri, "host": "redis", "port": "6379", "username": "chat", "password": password}
    kubectl.apply(_secret("chat-redis", told))


def _acl(*passwords: str) -> str:
    digests = " ".join(f"#{hashlib.sha256(one.encode()).hexdigest()}" for one in passwords)
    return f"user default off\nuser chat on {digests} {REDIS_RIGHTS}\n"


def _read(kubectl: Kubectl, name: str, key: str) -> str:
    return kubectl.run(
        "get", "secret", name, f"--output=go-template={{{{index .data {key!r} | base64decode}}}}".replace("'", '"')
    )


def _secret(name: str, content: dict[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": content}


def _config(name: str, file: Path) -> Object:
    data = {file.name: file.read_text()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
