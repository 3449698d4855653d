"""Fixtures of the cluster's tests: a real Kubernetes with the images on it, and a namespace for each module."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
sys.path[:0] = [
    str(ROOT),
    str(HERE.parent),
    str(HERE.parent / "security"),
    str(ROOT / "chat-service" / "tests" / "stack"),
]

from cluster import report as page  # noqa: E402 - found by the line above
from cluster.images import MONGODB, NEXT, REDIS, SERVICE, archives  # noqa: E402
from cluster.kubectl import Kubectl, KubernetesError  # noqa: E402
from cluster.load import Noticed  # noqa: E402
from cluster.local import LocalCluster  # noqa: E402
from cluster.release import Release  # noqa: E402

RESTRICTED = {f"pod-security.kubernetes.io/{kind}": "restricted" for kind in ("enforce", "warn", "audit")}


@pytest.fixture(scope="session")
def load() -> Iterator[Callable[[Path], None]]:
    """What brings an image's archive onto the cluster; the cluster is up meanwhile."""
    if os.environ.get("KUBECONFIG"):
        command = os.environ.get("CHAT_CLUSTER_LOAD")
        if not command:
            pytest.fail("KUBECONFIG is set and CHAT_CLUSTER_LOAD is not: which command loads an image's archive?")
        yield partial(_load_by, shlex.split(command))
        return
    cluster = LocalCluster()
    cluster.start()
    os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
    os.environ["PATH"] = f"{cluster.binaries}{os.pathsep}{os.environ['PATH']}"
    try:
        yield cluster.load
    finally:
        del os.environ["KUBECONFIG"]
        cluster.stop()


def _load_by(command: list[str], archive: Path) -> None:
    subprocess.run([*command, str(archive)], check=True)


@pytest.fixture(scope="session")
def service_image(load: Callable[[Path], None]) -> str:
    """The service as it is in this tree, there on the cluster."""
    for archive in archives(SERVICE):
        load(archive)
    return SERVICE


@pytest.fixture(scope="session")
def backend_images(load: Callable[[Path], None]) -> str:
    """MongoDB and Redis, there on the cluster."""
    for archive in archives(MONGODB, REDIS):
        load(archive)
    return f"{MONGODB} {REDIS}"


@pytest.fixture(scope="session")
def next_image(load: Callable[[Path], None], service_image: str) -> str:
    """A version after this one, there on the cluster."""
    assert service_image
    for archive in archives(NEXT):
        load(archive)
    return NEXT


@pytest.fixture(scope="session")
def report(bare: Kubectl) -> Iterator[Callable[[Noticed], None]]:
    """What keeps what was noticed; in the end all that was kept is the report, where people noticed anything."""
    before = page.kept()
    yield page.keep
    if page.kept() != before and page.read():
        page.write(page.read(), page.facts(bare))


@pytest.fixture(scope="session")
def timed(report: Callable[[Noticed], None]) -> Callable[[str, float], None]:
    """What keeps how long Argo CD took for something; the report is written where this is asked for too."""
    assert report is page.keep
    return page.time


@pytest.fixture(scope="session")
def judged(report: Callable[[Noticed], None]) -> Callable[[str, str], None]:
    """What keeps the cluster's answers to what it was asked; the report is written where this is asked for too."""
    assert report is page.keep
    return page.judge


@pytest.fixture(scope="session")
def bare(load: Callable[[Path], None]) -> Kubectl:
    """The cluster as it comes: it is up while `load` is there."""
    tools = str(ROOT / ".cache" / "tools")
    return Kubectl({**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"})


@pytest.fixture(scope="session")
def everywhere(bare: Kubectl, service_image: str) -> Kubectl:
    """The cluster, with the image on it."""
    assert service_image
    return bare


@pytest.fixture(scope="module")
def kubectl(everywhere: Kubectl, request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """A new namespace that takes only what the level `restricted` allows. It is gone at the end."""
    name = re.sub(r"[^a-z0-9]+", "-", f"chat-{request.module.__name__.rpartition('.')[2]}")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
    everywhere.apply(namespace)
    inside = everywhere.inside(name)
    try:
        inside.run("wait", "--for=create", "serviceaccount/default")
        yield inside
        if request.session.testsfailed:
            print(_state(inside))
    finally:
        everywhere.run("delete", "namespace", name, "--wait", "--timeout=120s", within_s=150)


@pytest.fixture(scope="module")
def release(kubectl: Kubectl) -> Release:
    """The chart with its defaults, its data gone when it is uninstalled; other installs have their own fixture."""
    made = Release(kubectl, ("--set=persistence.whenDeleted=Delete",))
    made.install()
    made.open_edge()
    return made


def _state(kubectl: Kubectl) -> str:
    """What is to be known of a namespace where a test has failed."""
    told = []
    for what in (
        ("get", "all"),
        ("get", "events"),
        ("logs", "--selector=app.kubernetes.io/name=chat", "--tail=30"),
    ):
        try:
            told.append(kubectl.run(*what))
        except KubernetesError as problem:
            told.append(str(problem))
    return "\n".join(told)
