"""Who may do what is what table.yaml says, in every environment, and docs/security/rbac.md shows the same."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from access_rights import Request, Rights
from security_rooms import CLUSTERS, SECURITY, Cluster, of_kind, of_room

from manifests import REPOSITORY
from rendering import Object

TABLE = yaml.safe_load((SECURITY / "rbac" / "table.yaml").read_text())
ROWS: list[dict[str, Any]] = TABLE["rows"]
ENVIRONMENTS = ("dev", "staging", "prod", "mgmt")
PAGE = REPOSITORY / "docs" / "security" / "rbac.md"


def request_of(row: dict[str, Any], environment: str) -> Request:
    group = TABLE["groups"][row["role"]].format(environment=environment)
    return Request(group, row["verb"], row["resource"], row.get("namespace", "chat"))


def wrong(cluster: Cluster, those: tuple[Object, ...] | list[Object]) -> list[str]:
    """Rows that do not hold in a cluster."""
    rights = Rights(those)
    return [
        f"{row['role']} {row['verb']} {row['resource']} in {cluster}: {may}"
        for row in ROWS
        if (may := rights.allows(request_of(row, cluster.environment)))
        is not (cluster.environment in row["allowed"])
    ]


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_the_table_holds(cluster: Cluster) -> None:
    assert not wrong(cluster, of_room("rbac", cluster))


def test_the_table_says_both_for_every_role_and_environment() -> None:
    """A table of allowed things alone would hold for whoever may do anything."""
    for role in TABLE["groups"]:
        said = [row["allowed"] for row in ROWS if row["role"] == role]
        assert any(not allowed for allowed in said), role
        for environment in ENVIRONMENTS:
            if (role, environment) != ("developer", "mgmt"):
                assert any(environment in allowed for allowed in said), f"{role} may do nothing in {environment}"
    assert all({*row["allowed"]} <= {*ENVIRONMENTS} for row in ROWS)
    asked = [(row["role"], row["verb"], row["resource"], row.get("namespace")) for row in ROWS]
    assert len({*asked}) == len(asked)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_group_of_one_environment_has_nothing_in_another(environment: str) -> None:
    for cluster in (one for one in CLUSTERS if one.environment != environment):
        rights = Rights(of_room("rbac", cluster))
        assert not [row for row in ROWS if rights.allows(request_of(row, environment))]


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_no_role_has_more_than_it_names(cluster: Cluster) -> None:
    rights = Rights(of_room("rbac", cluster))
    for group, rule in rights.rules_of_groups():
        every = [*rule["verbs"], *rule["apiGroups"], *rule["resources"]]
        assert "*" not in every, f"{group}: {rule}"
        assert not {"escalate", "bind", "impersonate", "deletecollection"} & {*rule["verbs"]}, f"{group}: {rule}"
        assert not {"secrets", "serviceaccounts/token"} & {*rule["resources"]}, f"{group} reads secrets"
        changes = {*rule["verbs"]} - {"get", "list", "watch"}
        assert not changes or "rbac.authorization.k8s.io" not in rule["apiGroups"], f"{group} changes rights"


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_bindings_are_to_groups_of_the_identity_provider(cluster: Cluster) -> None:
    for one in of_kind(of_room("rbac", cluster), "RoleBinding", "ClusterRoleBinding"):
        for subject in one["subjects"]:
            assert subject["kind"] == "Group", one["metadata"]["name"]
            assert subject["name"].startswith(f"oidc:chat-{cluster.environment}-")


def test_every_role_is_somebodys() -> None:
    unbound = [Rights(of_room("rbac", cluster)).unbound() for cluster in CLUSTERS]
    assert not set.intersection(*unbound)


def test_the_page_shows_the_table() -> None:
    shown = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in PAGE.read_text().splitlines()
        if line.startswith(("| developer", "| operator", "| ci "))
    ]
    assert shown == [cells(row) for row in ROWS], "\n".join(line(row) for row in ROWS)


def cells(row: dict[str, Any]) -> list[str]:
    marks = ["yes" if environment in row["allowed"] else "no" for environment in ENVIRONMENTS]
    return [row["role"], row["verb"], row["resource"], row.get("namespace", "chat") or "(cluster)", *marks]


def line(row: dict[str, Any]) -> str:
    """A row as the page has it."""
    role, verb, resource, namespace, *marks = cells(row)
    return f"| {role} | {verb} | `{resource}` | {namespace} | {' | '.join(marks)} |"


# Broken copies.

PROD = Cluster("prod", "aws")


def test_a_role_that_was_given_more_is_caught() -> None:
    those = copy.deepcopy([*of_room("rbac", PROD)])
    (role,) = (one for one in of_kind(those, "ClusterRole") if one["metadata"]["name"] == "chat-read")
    role["rules"][0]["resources"].append("secrets")
    assert "developer get secrets in prod-aws: True" in wrong(PROD, those)


def test_a_verb_for_everything_is_caught() -> None:
    those = copy.deepcopy([*of_room("rbac", PROD)])
    (role,) = (one for one in of_kind(those, "ClusterRole") if one["metadata"]["name"] == "chat-operate")
    role["rules"] = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    assert "operator create pods/exec in prod-aws: True" in wrong(PROD, those)


def test_a_binding_of_another_group_is_caught() -> None:
    those = copy.deepcopy([*of_room("rbac", PROD)])
    (binding,) = (one for one in of_kind(those, "RoleBinding") if one["metadata"]["name"] == "chat-operate")
    binding["subjects"][0]["name"] = "oidc:chat-prod-developers"
    found = wrong(PROD, those)
    assert "developer delete pods in prod-aws: True" in found
    assert "operator delete pods in prod-aws: False" in found


def test_a_right_in_one_namespace_is_none_in_another() -> None:
    those = of_room("rbac", PROD)
    assert Rights(those).allows(Request("oidc:chat-prod-developers", "list", "pods", "chat"))
    assert not Rights(those).allows(Request("oidc:chat-prod-developers", "list", "pods", "keda"))
    assert not Rights(those).allows(Request("oidc:chat-prod-developers", "list", "pods"))


def test_a_binding_to_a_role_that_does_not_exist_is_an_error() -> None:
    those = [one for one in of_room("rbac", PROD) if one["metadata"]["name"] != "chat-read" or "rules" not in one]
    with pytest.raises(KeyError):
        wrong(PROD, those)
