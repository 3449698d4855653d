"""Namespaces that are there for a while, unless the cluster had them before."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cluster.kubectl import Kubectl

GONE_S = 120


@contextmanager
def there(kubectl: Kubectl, wanted: Iterable[str]) -> Iterator[None]:
    """The cluster with the namespaces; those that it lacked are gone in the end."""
    known = {one["metadata"]["name"] for one in kubectl.items("namespaces")}
    lacking = sorted({*wanted} - known)
    for name in lacking:
        kubectl.run("create", "namespace", name)
    try:
        yield
    finally:
        if lacking:
            kubectl.run("delete", "namespace", *lacking, f"--timeout={GONE_S}s", within_s=GONE_S + 10)
