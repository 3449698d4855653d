"""The API server allows to developers, operators and the pipeline what platform/security/rbac/table.yaml says."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec.yaml
import pytest
from access_rights import Request
from security_rooms import SECURITY, Cluster, of_kind, of_room

from cluster.namespaces import there

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cluster.kubectl import Kubectl, Object

TABLE = msgspec.yaml.decode((SECURITY / "rbac" / "table.yaml").read_bytes())
ROWS: list[dict[str, Any]] = TABLE["rows"]
# The room has no differences between clouds.
CLUSTERS = tuple(Cluster(environment, "aws") for environment in ("dev", "staging", "prod", "mgmt"))
MEMBER = "somebody"


@contextmanager
def given(kubectl: Kubectl, those: Iterable[Object]) -> Iterator[None]:
    """The cluster with roles and bindings, and the namespaces that they are in."""
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(those)})
    with there(kubectl, (one["metadata"].get("namespace", "default") for one in those)):
        kubectl.run("apply", "--server-side", "--filename=-", given=listed)
        try:
            yield
        finally:
            kubectl.run("delete", "--ignore-not-found", "--filename=-", given=listed)


def review(request: Request) -> Object:
    """The question of `kubectl auth can-i VERB RESOURCE --as=somebody --as-group=GROUP`."""
    group, resource = request.api
    resource, _, subresource = resource.partition("/")
    attributes = {
        "verb": request.verb,
        "group": group,
        "resource": resource,
        "subresource": subresource,
        "namespace": request.namespace,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": MEMBER,
            "groups": [request.group, "system:authenticated"],
            "resourceAttributes": attributes,
        },
    }


def answers(kubectl: Kubectl, requests: list[Request]) -> list[bool]:
    """What the API server says, asked in one command."""
    listed = {"apiVersion": "v1", "kind": "List", "items": [review(one) for one in requests]}
    told = ("--filename=-", "--output=jsonpath={.status.allowed} ")
    said = kubectl.run("create", *told, given=json.dumps(listed)).split()
    assert {*said} <= {"true", "false"}
    return [one == "true" for one in said]


def questions(environment: str) -> list[Request]:
    """Every row, asked for the groups of an environment."""
    return [
        Request(
            TABLE["groups"][row["role"]].format(environment=environment),
            row["verb"],
            row["resource"],
            row.get("namespace", "chat"),
        )
        for row in ROWS
    ]


def wrong(kubectl: Kubectl, environment: str) -> list[str]:
    """Rows to which the cluster of an environment says something else than the table."""
    return [
        f"{row['role']} {row['verb']} {row['resource']} in {environment}: {may}"
        for row, may in zip(ROWS, answers(kubectl, questions(environment)), strict=True)
        if may is not (environment in row["allowed"])
    ]


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_the_table_holds(bare: Kubectl, cluster: Cluster, judged: Callable[[str, str], None]) -> None:
    """And whoever belongs to another environment may do nothing of it."""
    with given(bare, of_room("rbac", cluster)):
        assert not wrong(bare, cluster.environment)
        for other in (one.environment for one in CLUSTERS if one != cluster):
            assert not any(answers(bare, questions(other))), f"{other} has rights in {cluster}"
    judged(f"rights in {cluster.environment}", f"{len(ROWS)} rows of the table hold, and none of them for others")


def test_a_right_too_many_is_seen(bare: Kubectl) -> None:
    """The same question, asked of a room in which a role has got more, has another answer."""
    those = json.loads(json.dumps(of_room("rbac", CLUSTERS[2])))
    (role,) = (one for one in of_kind(those, "ClusterRole") if one["metadata"]["name"] == "chat-read")
    role["rules"].append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})
    with given(bare, those):
        assert "developer get secrets in prod: True" in wrong(bare, "prod")


def test_without_the_room_nobody_may_do_anything(bare: Kubectl) -> None:
    for cluster in CLUSTERS:
        assert not any(answers(bare, questions(cluster.environment)))
