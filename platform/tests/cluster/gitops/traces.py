"""What an Argo CD leaves of itself and of what it built, and how it is taken away again."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cluster.kubectl import KubernetesError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.kubectl import Kubectl, Object

GROUP = "argoproj.io"
COUNTED = ("Namespace", "CustomResourceDefinition")
"""What is known to be new by what was there before: Applications may be made of what others have too."""
KINDS = tuple(f"{kind}.{GROUP}" for kind in ("applicationsets", "applications", "appprojects"))
HOOKS = ("jobs.batch", "networkpolicies.networking.k8s.io")
"""The kinds that hooks of the platform's charts are of."""
GONE_S = 180


@contextmanager
def undone(kubectl: Kubectl) -> Iterator[None]:
    """Have a cluster as it was, once Argo CD has ended: what it built is told by its Applications."""
    before = _namespaces(kubectl)
    kinds = _kinds(kubectl)
    try:
        yield
    finally:
        built = _built(kubectl)
        let_go(kubectl)
        _gone(kubectl, "namespace", sorted(set(_namespaces(kubectl)) - set(before)))
        for one in built:
            if one["kind"] not in COUNTED and one.get("namespace") in (None, *before):
                _delete(kubectl, one)
        _gone(kubectl, "crd", sorted(_kinds(kubectl) - kinds))
        for name, labels in _namespaces(kubectl).items():
            # Those that were there belong to others, who go on in them.
            for label in sorted(set(labels) - set(before[name])):
                kubectl.run("label", "namespace", name, f"{label}-")


def _built(kubectl: Kubectl) -> list[Object]:
    """The objects of all Applications; none where Argo CD has not come so far."""
    try:
        listed = kubectl.items(f"applications.{GROUP}", "--all-namespaces")
    except KubernetesError:
        return []
    return [one for app in listed for one in app.get("status", {}).get("resources", [])]


def let_go(kubectl: Kubectl) -> None:
    """Have objects be deleted without a word of Argo CD, whose finalizers they have: hooks, and what made them."""
    for kind in (*KINDS, *HOOKS):
        try:
            listed = kubectl.items(kind, "--all-namespaces")
        except KubernetesError:
            continue  # The cluster has no such kind.
        for one in listed:
            if any(GROUP in name for name in one["metadata"].get("finalizers", [])):
                told = ("--type=merge", '--patch={"metadata":{"finalizers":null}}')
                kubectl.inside(one["metadata"]["namespace"]).run("patch", kind, one["metadata"]["name"], *told)


def _gone(kubectl: Kubectl, kind: str, names: list[str]) -> None:
    if names:
        told = ("--ignore-not-found", f"--timeout={GONE_S}s")
        kubectl.run("delete", kind, *names, *told, within_s=GONE_S + 10)


def _delete(kubectl: Kubectl, one: Object) -> None:
    kind = ".".join(filter(None, (one["kind"], one["version"], one.get("group"))))
    where = kubectl.inside(one.get("namespace", ""))
    try:
        where.run("delete", kind, one["name"], "--ignore-not-found", "--wait=false")
    except KubernetesError as problem:
        # A kind that the cluster never had.
        if "doesn't have a resource type" not in str(problem):
            raise


def _namespaces(kubectl: Kubectl) -> dict[str, dict[str, str]]:
    """The labels of each namespace."""
    return {one["metadata"]["name"]: one["metadata"].get("labels", {}) for one in kubectl.items("namespaces")}


def _kinds(kubectl: Kubectl) -> set[str]:
    return {one["metadata"]["name"] for one in kubectl.items("customresourcedefinitions")}
