"""Projects have the rights that add-ons, folders and the rendered chart need, and no more."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from api_schemas import schema_of
from gitops import GIT, PROJECTS, addons, applications, asked, clusters, folders, load, meant_for
from manifests import PLATFORM, REPOSITORY, documents
from rendering import CHART, rendered

HERE = {name: load(PLATFORM / "argocd" / "projects" / f"{name}.yaml") for name in PROJECTS}
OWNERS = ("platform", "security", "observability")


def needed(project: str) -> dict[str, set[Any]]:
    """Repositories, pairs of cluster and namespace, and cluster-wide kinds of a project's add-ons and folders."""
    need: dict[str, set[Any]] = {"repositories": {GIT}, "places": set(), "kinds": set()}
    for one in (*addons().values(), *folders().values()):
        if one["project"] == project:
            need["repositories"].add(one.get("repository", GIT))
            namespaces = (one["namespace"], *one["reach"]["namespaces"])
            need["places"] |= {(cluster, namespace) for cluster in meant_for(one) for namespace in namespaces}
            need["kinds"] |= set(one["reach"]["kinds"])
    return need


def spec(project: str) -> dict[str, Any]:
    """What a project may do."""
    return dict(HERE[project]["spec"])


def test_these_are_the_projects() -> None:
    assert {path.stem for path in (PLATFORM / "argocd" / "projects").glob("*.yaml")} == set(PROJECTS)
    assert all(HERE[name]["metadata"]["name"] == name for name in PROJECTS)


@pytest.mark.parametrize("project", OWNERS)
def test_a_project_takes_from_its_own_repositories_only(project: str) -> None:
    assert set(spec(project)["sourceRepos"]) == needed(project)["repositories"]


@pytest.mark.parametrize("project", OWNERS)
def test_a_project_has_the_cluster_wide_kinds_that_it_needs_and_no_other(project: str) -> None:
    has = {
        ".".join(filter(None, (one["kind"], one["group"]))) for one in spec(project)["clusterResourceWhitelist"]
    }
    assert has == needed(project)["kinds"]


@pytest.mark.parametrize("project", OWNERS)
def test_a_project_leads_to_the_namespaces_that_it_needs_and_no_other(project: str) -> None:
    has = {(one["name"], one["namespace"]) for one in spec(project)["destinations"]}
    wide = {"*": set(clusters()), "*-*": set(clusters()) - {"mgmt"}, "mgmt": {"mgmt"}}
    need = needed(project)["places"]
    if any(namespace == "*" for _, namespace in need):
        assert has == {("*", "*")}
        return
    covered = {(cluster, namespace) for name, namespace in has for cluster in wide[name]}
    assert need <= covered
    # Each line is needed somewhere, and no narrower one would do.
    for name, namespace in has:
        used = {cluster for cluster, one in need if one == namespace}
        narrower = [other for other, names in wide.items() if used <= names < wide[name]]
        assert used, f"{project} needs nothing in {namespace}"
        assert not narrower, f"{project} needs {namespace} on {narrower[0]} only"


@cache
def of_the_chart(environment: str) -> frozenset[tuple[str, str]]:
    """Group and kind of whatever the chart makes in an environment's clouds; its tests are not synced."""
    made = set()
    for one in applications():
        if one.set == "chat" and one.cluster.startswith(f"{environment}-"):
            files = [
                REPOSITORY / file.lstrip("/") if file.startswith("/") else CHART / file
                for file in _files(one.spec)
            ]
            values = one.spec["source"]["helm"]["values"]
            for thing in rendered(*(f"--values={file}" for file in files), values=values):
                if thing["metadata"].get("annotations", {}).get("helm.sh/hook") != "test":
                    made.add((_group(thing["apiVersion"]), thing["kind"]))
    return frozenset(made)


def _files(application: dict[str, Any]) -> list[str]:
    return list(application["source"]["helm"]["valueFiles"])


def _group(api_version: str) -> str:
    return api_version.split("/", maxsplit=1)[0] if "/" in api_version else ""


@pytest.mark.usefixtures("argocd", "helm")
@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_the_chat_may_make_the_kinds_of_its_chart_and_no_other(environment: str) -> None:
    own = spec(f"chat-{environment}")
    has = {(one["group"], one["kind"]) for one in own["namespaceResourceWhitelist"]}
    assert has == of_the_chart(environment)
    assert own["clusterResourceWhitelist"] == []
    assert own["destinations"] == [{"name": f"{environment}-*", "namespace": "chat"}]
    assert own["sourceRepos"] == [GIT]


@pytest.mark.usefixtures("argocd")
@pytest.mark.parametrize(
    ("project", "group", "kind", "namespaced", "may"),
    [
        ("chat-prod", "apps", "Deployment", True, True),
        ("chat-prod", "", "Secret", True, False),
        ("chat-prod", "rbac.authorization.k8s.io", "RoleBinding", True, False),
        ("chat-dev", "", "Namespace", False, False),
        ("observability", "rbac.authorization.k8s.io", "ClusterRole", False, True),
        ("observability", "external-secrets.io", "ClusterSecretStore", False, False),
        ("platform", "templates.gatekeeper.sh", "ConstraintTemplate", False, False),
        ("security", "constraints.gatekeeper.sh", "ChatNoLatest", False, True),
    ],
)
def test_argo_cd_decides_so(project: str, group: str, kind: str, namespaced: bool, may: bool) -> None:
    question = [{"project": project, "group": group, "kind": kind, "namespaced": namespaced}]
    assert asked("kinds", str(REPOSITORY), question=question) == [may]


@pytest.mark.usefixtures("schemas")
def test_folders_hold_no_cluster_wide_kind_that_they_do_not_say() -> None:
    for name, folder in folders().items():
        path = REPOSITORY / folder["path"].replace("$(cloud)", "").replace("$(environment)", "")
        if "repository" in folder or not path.is_dir():
            continue
        said = set(folder["reach"]["kinds"])
        # A folder of plain files is not recursive.
        deep = (path / "kustomization.yaml").is_file() or "$(" in folder["path"]
        for one in documents(path):
            # Cases of suites and samples are looked at by tests, and applied by nobody.
            applied = not {"cases", "samples"} & set(one.path.parts)
            if one.is_object and applied and (deep or one.path.parent == path):
                group, kind = _group(one.content["apiVersion"]), one.content["kind"]
                if _is_cluster_wide(one.content["apiVersion"], kind, group):
                    full = ".".join(filter(None, (kind, group)))
                    assert {full, f"*.{group}"} & said, f"{name}: {one} is a {full}"


def _is_cluster_wide(api_version: str, kind: str, group: str) -> bool:
    if group in {"constraints.gatekeeper.sh", "mutations.gatekeeper.sh"}:
        return True
    if group in {"kustomize.config.k8s.io", "test.gatekeeper.sh", "descheduler"}:
        return False
    return _scope(api_version, kind) == "Cluster"


def _scope(api_version: str, kind: str) -> str:
    """The folder of schemas knows it; the public catalogue does not, and says nothing."""
    return str(json.loads(json.dumps(schema_of(api_version, kind))).get("x-scope", ""))


def test_nobody_syncs_by_default() -> None:
    root = {
        one.content["metadata"]["name"]: one.content["spec"]
        for one in documents(PLATFORM / "bootstrap")
        if one.is_object and one.content["kind"] == "AppProject"
    }
    assert root.keys() == {"default", "argocd"}
    assert root["default"]["sourceRepos"] == root["default"]["destinations"] == []
    assert root["argocd"]["destinations"] == [{"name": "mgmt", "namespace": "argocd"}]


@pytest.mark.parametrize("project", [*OWNERS, "chat-prod"])
def test_production_changes_while_people_are_at_work(project: str) -> None:
    windows = spec(project)["syncWindows"]
    (allowed,) = [one for one in windows if one["kind"] == "allow"]
    assert (allowed["schedule"], allowed["duration"], allowed["manualSync"]) == ("0 8 * * 1-4", "8h", True)
    assert allowed.get("clusters", allowed.get("applications")) in (["prod-*", "mgmt"], ["*"])
    assert all(one["timeZone"] == allowed["timeZone"] for one in windows)


@pytest.mark.parametrize("project", ["chat-dev", "chat-staging"])
def test_elsewhere_changes_come_at_any_time(project: str) -> None:
    assert "syncWindows" not in spec(project)


def test_the_pipeline_may_ask_for_a_sync_but_not_in_production() -> None:
    def may(project: str) -> set[str]:
        (role,) = spec(project)["roles"]
        assert role["name"] == "pipeline"
        return {policy.split(", ")[3] for policy in role["policies"]}

    assert may("chat-dev") == may("chat-staging") == {"get", "sync"}
    assert may("chat-prod") == {"get"}
