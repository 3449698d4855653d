"""The chat's neighbours where they cannot be had: what their controllers say of its objects."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cluster.kubectl import KubernetesError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.kubectl import Kubectl, Object

_ACCEPTED = {
    "type": "Accepted",
    "status": "True",
    "reason": "Accepted",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
_SAID: dict[str, Object] = {
    "externalsecrets.external-secrets.io": {"conditions": [{"type": "Ready", "status": "True"}]},
    "httproutes.gateway.networking.k8s.io": {
        "parents": [
            {"parentRef": {"name": "chat"}, "controllerName": "example.org/test", "conditions": [_ACCEPTED]}
        ]
    },
}
"""What Argo CD waits for in their objects: that the Secret is there, that the route is accepted."""
LOOK_EVERY_S = 4.0


@contextmanager
def controllers(kubectl: Kubectl) -> Iterator[None]:
    """Say of the objects in a namespace what their controllers would say."""
    ended = threading.Event()

    def answer() -> None:
        while not ended.wait(LOOK_EVERY_S):
            for kind, said in _SAID.items():
                _say(kubectl, kind, said)

    thread = threading.Thread(target=answer, name="stand-ins")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _say(kubectl: Kubectl, kind: str, said: Object) -> None:
    patch = f"--patch={json.dumps({'status': said})}"
    # The kind or the namespace may not be there yet, and an object may just go: all is looked at again.
    with suppress(KubernetesError):
        for one in kubectl.items(kind):
            if "status" not in one:
                name = one["metadata"]["name"]
                kubectl.run("patch", kind, name, "--subresource=status", "--type=merge", patch)
