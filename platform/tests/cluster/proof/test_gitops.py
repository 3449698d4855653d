"""What is in Git is what runs: a real Argo CD builds a cluster from the platform's own files, and keeps it so."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cluster import backends
from cluster.gitops.applications import (
    application,
    applications,
    end_sync,
    notice,
    notice_clusters,
    notice_sets,
    until,
)
from cluster.gitops.control_plane import PROGRAM, ControlPlane, running
from cluster.gitops.entrance import one_port
from cluster.gitops.repository import Repository, gateway_api, platform
from cluster.gitops.server import REFUSAL, serving
from cluster.gitops.stand_ins import controllers
from cluster.gitops.traces import let_go
from cluster.gitops.windows import windows
from cluster.images import SERVICE
from cluster.kinds import descriptions, known
from cluster.kubectl import KubernetesError
from cluster.load import TIMED, under_load
from cluster.release import CLUSTER, NAME, SETTINGS, Release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaos.gathering import Gathering

    from cluster.kubectl import Kubectl, Object
    from cluster.load import Noticed

ROOT = Path(__file__).parents[4]
SAYS = ROOT / ".cache" / "tools" / "argocd-says"
BY_HAND = {"root", "argocd"}
"""The Applications that no set generates: the root, and Argo CD itself."""
CLUSTERS = "platform/argocd/clusters"
IMAGE = "platform/argocd/chat/images/dev.yaml"
DEV, PROD = "chat-dev-aws", "chat-prod-aws"
CHAT = "chat"
"""The namespace of the chat in every cluster."""

HERE = ("dev-aws", "prod-aws")
VALUES = "\n".join(
    [
        "# What is different on a cluster of the tests.",
        f"image: {{repository: {SERVICE.rpartition(':')[0]}, tag: {SERVICE.rpartition(':')[2]}}}",
        "mongodb: {ca: false}",
        "drainSeconds: 6",
        "settings:",
        *(f"  {name}: {value}" for name, value in SETTINGS.items()),
        "",
    ]
)
BROUGHT = (
    "gateway.networking.k8s.io",
    "gatekeeper.sh",
    "Application.argoproj.io",
    "ApplicationSet.argoproj.io",
    "AppProject.argoproj.io",
)
"""Of the add-ons' kinds those that Argo CD brings, or has, and those of Gatekeeper, which makes more of them."""
HELD_S = 20.0
"""How long it is looked at something that must not happen."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """This tree as the platform's repository."""
    place = tmp_path_factory.mktemp("git")
    gateway_api(place)
    made = platform(place)
    made.commit("No window is open, whatever day it is", windows(made, is_open=False))
    made.commit("Let people in by a port of the node", one_port(made))
    return made


@pytest.fixture(scope="module")
def argocd(
    everywhere: Kubectl,
    repository: Repository,
    tmp_path_factory: pytest.TempPathFactory,
    lacking: Callable[[str], None],
    request: pytest.FixtureRequest,
) -> Iterator[ControlPlane]:
    """Argo CD on the management cluster, with the root application and nothing else by hand."""
    for program in (PROGRAM, SAYS):
        if not program.exists():
            lacking(program.name)
    assert repository.head
    keys = tmp_path_factory.mktemp("keys")
    wanted = {kind for kind in descriptions() if not kind.endswith(BROUGHT)}
    with (
        serving(repository.served, keys) as server,
        known(everywhere, wanted),
        running(everywhere, server) as made,
    ):
        made.register_far(*(Path(path).stem for path in repository.names(f"{CLUSTERS}/*.yaml")))
        made.kubectl.run(
            "apply", "--server-side", f"--filename={repository.tree / 'platform/bootstrap/root-app.yaml'}"
        )
        yield made
        if request.session.testsfailed:
            print(made.tail())


@pytest.fixture(scope="module")
def chat(
    argocd: ControlPlane,
    repository: Repository,
    kubectl: Kubectl,
    backend_images: str,
    timed: Callable[[str, float], None],
) -> Iterator[Kubectl]:
    """The namespace of the chat of dev-aws, built from Git: of all clusters only it and prod-aws are there.

    Its store and bus are in the test's own namespace, as they are beyond the cluster elsewhere.
    """
    assert backend_images
    backends.start(kubectl)
    argocd.register(*HERE)
    others = [path for path in repository.names(f"{CLUSTERS}/*.yaml") if Path(path).stem not in HERE]
    commit = repository.commit("Only two clusters are there", dict.fromkeys(others) | {IMAGE: VALUES})
    inside = kubectl.inside(CHAT)
    with controllers(inside):
        asyncio.run(_build(argocd.kubectl, kubectl, inside, commit, timed))
        yield inside


async def _build(
    kubectl: Kubectl, neighbours: Kubectl, inside: Kubectl, commit: str, timed: Callable[[str, float], None]
) -> None:
    began = time.monotonic()
    notice(kubectl, "root")
    notice_sets(kubectl)
    notice_clusters(kubectl, *HERE)
    await kubectl.until("there is the namespace of the chat", lambda: _is_there(neighbours, "namespace", CHAT))
    timed("the namespace of the chat is there, with all that its environment says of it", time.monotonic() - began)
    backends.lend(neighbours, inside)
    notice(kubectl, DEV)
    await until(kubectl, DEV, "is built", lambda one: one.is_at(commit))
    timed("the chat of dev-aws is built from nothing, and well", time.monotonic() - began)


async def test_the_root_makes_every_application(
    argocd: ControlPlane, repository: Repository, timed: Callable[[str, float], None]
) -> None:
    """Those that the tests of platform/tests/gitops compute, from the same files, without a cluster."""
    wanted = _wanted(repository.tree)
    names = wanted.keys() | BY_HAND
    after = await argocd.kubectl.until(
        "every application is there", lambda: applications(argocd.kubectl).keys() == names, 180
    )
    timed(f"the root application has made all {len(names)} applications", after)
    made = applications(argocd.kubectl)
    assert {name: _essence(made[name].body["spec"]) for name in wanted} == {
        name: _essence(spec) for name, spec in wanted.items()
    }
    await until(argocd.kubectl, "root", "is as in Git", lambda one: one.sync == "Synced")


async def test_what_was_built_is_this_tree(chat: Kubectl, argocd: ControlPlane) -> None:
    pods = [*chat.pods("gateway"), *chat.pods("worker")]
    assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {SERVICE}
    assert len(chat.ready("gateway")) == 2
    assert len(chat.ready("worker")) == 1
    assert not application(argocd.kubectl, DEV).conditions.keys() - {"OrphanedResourceWarning"}


async def test_what_needs_no_add_on_is_built_too(chat: Kubectl, argocd: ControlPlane) -> None:
    for name in ("namespaces-dev-aws", "priorities-dev-aws", "gateway-api-dev-aws"):
        notice(argocd.kubectl, name)
        await until(argocd.kubectl, name, "is built", lambda one: (one.sync, one.health) == ("Synced", "Healthy"))
    labels = chat.get("namespace", CHAT)["metadata"]["labels"]
    assert labels["platform.chat.example.org/environment"] == "dev"
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


async def test_an_add_on_says_that_its_chart_cannot_be_fetched(chat: Kubectl, argocd: ControlPlane) -> None:
    """Charts are in repositories that nothing here reaches: those applications are left out of all the rest."""
    assert chat.namespace == CHAT
    made = applications(argocd.kubectl).values()
    left_out = sorted(one.name for one in made if any("chart" in source for source in one.sources))
    assert len(left_out) > 2 * 20
    for name in left_out:
        await until(
            argocd.kubectl, name, "says so", lambda one: REFUSAL in one.conditions.get("ComparisonError", "")
        )
    print(f"  left out, as their charts cannot be fetched: {', '.join(left_out)}")


async def test_a_commit_reaches_the_running_pods(
    chat: Kubectl,
    argocd: ControlPlane,
    repository: Repository,
    report: Callable[[Noticed], None],
    timed: Callable[[str, float], None],
) -> None:
    release = Release(chat, CLUSTER)
    release.open_edge()
    before = chat.ready("gateway")

    async def commit(_: Gathering) -> None:
        made = repository.commit("Say less", {IMAGE: f"{VALUES}  CHAT_LOG_LEVEL: warning\n"})
        began = time.monotonic()
        await asyncio.to_thread(notice, argocd.kubectl, DEV)
        await until(argocd.kubectl, DEV, "runs the commit", lambda one: one.is_at(made))
        timed("a commit that changes a value has reached every pod, one after the other", time.monotonic() - began)

    noticed = await under_load(release, "a commit, brought by Argo CD", commit)
    report(noticed)
    assert noticed.broken <= TIMED
    names = chat.ready("gateway")
    assert len(names) == 2
    assert not set(names) & set(before)
    told = [
        chat.run("exec", name, "--", "python3", "-c", "import os; print(os.environ['CHAT_LOG_LEVEL'])")
        for name in names
    ]
    assert {one.strip() for one in told} == {"warning"}


async def test_a_value_that_the_chart_refuses_is_held(
    chat: Kubectl, argocd: ControlPlane, repository: Repository, timed: Callable[[str, float], None]
) -> None:
    before = chat.ready("gateway")
    mistake = repository.commit("A mistake", {IMAGE: f"{VALUES}gateway: {{replicas: many}}\n"})
    notice(argocd.kubectl, DEV)
    after = await until(argocd.kubectl, DEV, "refuses it", lambda one: "ComparisonError" in one.conditions)
    timed("a value that the chart refuses is shown as an error", after)
    assert "replicas" in application(argocd.kubectl, DEV).conditions["ComparisonError"]
    await asyncio.sleep(HELD_S)
    assert application(argocd.kubectl, DEV).revision != mistake
    assert chat.ready("gateway") == before
    after = await _back(argocd, repository)
    timed("and its revert has made all well", after)
    assert chat.ready("gateway") == before


async def test_an_image_that_does_not_exist_is_held(
    chat: Kubectl, argocd: ControlPlane, repository: Repository, timed: Callable[[str, float], None]
) -> None:
    before = chat.ready("gateway")
    repository.commit("A mistake", {IMAGE: VALUES.replace(f"tag: {SERVICE.rpartition(':')[2]}", "tag: 9.9.9")})
    notice(argocd.kubectl, DEV)
    after = await until(argocd.kubectl, DEV, "waits for it", lambda one: "chat-migration" in one.message)
    timed("an image that does not exist is shown as what is waited for", after)
    await asyncio.sleep(HELD_S)
    shown = application(argocd.kubectl, DEV)
    assert shown.phase == "Running"
    assert chat.ready("gateway") == before
    end_sync(argocd.kubectl, DEV)
    after = await _back(argocd, repository)
    timed("and its revert has made all well, after the sync that waited was ended", after)
    assert chat.ready("gateway") == before


async def test_what_is_changed_by_hand_is_set_back(chat: Kubectl, timed: Callable[[str, float], None]) -> None:
    chat.run("scale", f"deployment/{NAME}-gateway", "--replicas=1")
    after = await chat.until(
        "there are two gateways again",
        lambda: (
            chat.get("deployment", f"{NAME}-gateway")["spec"]["replicas"] == 2 and len(chat.ready("gateway")) == 2
        ),
    )
    timed("a Deployment scaled by hand is as in Git again", after)


async def test_what_is_deleted_by_hand_comes_back(chat: Kubectl, timed: Callable[[str, float], None]) -> None:
    uid = chat.get("service", f"{NAME}-worker")["metadata"]["uid"]
    chat.run("delete", "service", f"{NAME}-worker")
    after = await chat.until("it is there again", lambda: _is_there(chat, "service", f"{NAME}-worker"))
    timed("a Service deleted by hand is there again", after)
    assert chat.get("service", f"{NAME}-worker")["metadata"]["uid"] != uid


async def test_a_project_leads_nowhere_else(chat: Kubectl, argocd: ControlPlane) -> None:
    for name, destination in (
        ("stray-namespace", {"name": "dev-aws", "namespace": "kube-system"}),
        ("stray-cluster", {"name": "prod-aws", "namespace": CHAT}),
    ):
        argocd.kubectl.apply(_application(name, "helm/chat", destination))
        await until(
            argocd.kubectl,
            name,
            "is refused",
            lambda one: (
                "do not match any of the allowed destinations" in one.conditions.get("InvalidSpecError", "")
            ),
        )
        argocd.kubectl.run("delete", "application.argoproj.io", name)
    assert chat.ready("gateway")


async def test_a_project_takes_no_other_kinds(
    chat: Kubectl, argocd: ControlPlane, repository: Repository, everywhere: Kubectl
) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "greedy"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    }
    repository.commit("More rights", {"greedy/role.yaml": json.dumps(role)})
    asked = _application("greedy", "greedy", {"name": "dev-aws", "namespace": CHAT})
    argocd.kubectl.apply(asked | {"operation": {"sync": {}}})
    await until(argocd.kubectl, "greedy", "is refused", lambda one: one.phase == "Failed")
    assert "not permitted in project chat-dev" in application(argocd.kubectl, "greedy").message
    assert not _is_there(everywhere, "clusterrole", "greedy")
    argocd.kubectl.run("delete", "application.argoproj.io", "greedy")
    assert chat.ready("gateway")


async def test_production_waits_for_its_window(
    chat: Kubectl,
    argocd: ControlPlane,
    repository: Repository,
    everywhere: Kubectl,
    timed: Callable[[str, float], None],
) -> None:
    """On the one cluster that there is production takes the place of dev, which goes before."""
    kubectl = argocd.kubectl
    repository.commit("dev-aws is given up", {f"{CLUSTERS}/dev-aws.yaml": None})
    notice_sets(kubectl)
    await kubectl.until("nothing of dev is there", lambda: DEV not in applications(kubectl))
    let_go(everywhere)
    everywhere.run("delete", "namespace", CHAT, "--timeout=120s", within_s=150)
    await until(kubectl, PROD, "waits for its window", lambda one: "blocked by sync window" in one.message)
    await asyncio.sleep(HELD_S)
    held = application(kubectl, PROD)
    assert "blocked by sync window" in held.message
    assert held.sync == "OutOfSync"
    assert not _is_there(everywhere, "namespace", CHAT)
    opened = repository.commit("Production's window is open", windows(repository, is_open=True))
    began = time.monotonic()
    notice(kubectl, "root")
    brought = (opened, "Synced")
    await until(kubectl, "root", "has brought the window", lambda one: (one.revision, one.sync) == brought)
    notice_clusters(kubectl, "prod-aws")
    await kubectl.until(
        "production is synced", lambda: _is_there(chat, "externalsecrets.external-secrets.io", "chat-mongodb"), 300
    )
    timed("production is synced once its window opens", time.monotonic() - began)


# -- what is asked and made -------------------------------------------------------------------------------


def _wanted(tree: Path) -> dict[str, Object]:
    """The Applications of every set by name, by Argo CD's own code and no cluster: what each is told to be."""
    said = subprocess.run([SAYS, "applications", tree], capture_output=True, check=True, text=True)
    made = [one["application"] for one in json.loads(said.stdout)]
    return {one["metadata"]["name"]: one["spec"] for one in made}


def _essence(spec: Object) -> dict[str, Any]:
    """What an Application is for; of how it syncs the rolling sync takes a part away."""
    return {name: spec.get(name) for name in ("project", "destination", "source", "sources")}


def _is_there(kubectl: Kubectl, kind: str, name: str) -> bool:
    try:
        return "deletionTimestamp" not in kubectl.get(kind, name)["metadata"]
    except KubernetesError:
        return False


async def _back(argocd: ControlPlane, repository: Repository) -> float:
    """Take the last commit back; how long it took until all was well."""
    commit = repository.revert()
    notice(argocd.kubectl, DEV)
    return await until(argocd.kubectl, DEV, "is well again", lambda one: one.is_at(commit) and not one.is_syncing)


def _application(name: str, path: str, destination: dict[str, str]) -> Object:
    """One of the project chat-dev."""
    source = {"repoURL": "https://git.example.org/chat/platform.git", "targetRevision": "main", "path": path}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name},
        "spec": {"project": "chat-dev", "source": source, "destination": destination},
    }
