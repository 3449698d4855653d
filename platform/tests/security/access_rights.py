"""Who may do what by roles and bindings, decided as the API server's RBAC does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rendering import Object


@dataclass(frozen=True)
class Request:
    """What somebody wants to do. A namespace that is empty is the cluster's own scope."""

    group: str
    verb: str
    resource: str
    namespace: str = ""

    @property
    def api(self) -> tuple[str, str]:
        """Group, and resource with its subresource: argoproj.io, rollouts/status."""
        name, _, subresource = self.resource.partition("/")
        resource, _, group = name.partition(".")
        return group, f"{resource}/{subresource}" if subresource else resource


class Rights:
    """The rights that a cluster's objects give."""

    def __init__(self, those: Iterable[Object]) -> None:
        """Of all objects only roles and bindings count."""
        by_kind: dict[str, list[Object]] = {}
        for one in those:
            by_kind.setdefault(one["kind"], []).append(one)
        self._roles = {
            (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one["rules"]
            for kind in ("ClusterRole", "Role")
            for one in by_kind.get(kind, [])
        }
        self._bindings = [*by_kind.get("RoleBinding", []), *by_kind.get("ClusterRoleBinding", [])]

    def allows(self, request: Request) -> bool:
        """Whether any binding gives it to the group. A right in a namespace is none in the cluster's scope."""
        return any(
            _fits(rule, request)
            for binding in self._bindings
            if binding["kind"] == "ClusterRoleBinding" or binding["metadata"]["namespace"] == request.namespace
            if any(one["kind"] == "Group" and one["name"] == request.group for one in binding["subjects"])
            for rule in self._rules_of(binding)
        )

    def rules_of_groups(self) -> Iterator[tuple[str, Object]]:
        """Every rule, with each group that has it anywhere."""
        for binding in self._bindings:
            for subject in binding["subjects"]:
                yield from ((subject["name"], rule) for rule in self._rules_of(binding))

    def unbound(self) -> set[str]:
        """Roles that nobody has."""
        bound = {binding["roleRef"]["name"] for binding in self._bindings}
        return {name for _, _, name in self._roles} - bound

    def _rules_of(self, binding: Object) -> list[Object]:
        """The rules of a binding's role. Raises KeyError where there is no such role."""
        ref = binding["roleRef"]
        namespace = binding["metadata"]["namespace"] if ref["kind"] == "Role" else ""
        rules: list[Object] = self._roles[ref["kind"], namespace, ref["name"]]
        return rules


def _fits(rule: Object, request: Request) -> bool:
    group, resource = request.api
    subresource = resource.partition("/")[2]
    return (
        not rule.get("resourceNames")
        and bool({request.verb, "*"} & {*rule["verbs"]})
        and bool({group, "*"} & {*rule.get("apiGroups", [])})
        and bool({resource, "*", f"*/{subresource}"} & {*rule.get("resources", [])})
    )
