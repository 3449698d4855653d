"""Backups of every cluster, the order in which things come back, and the drill.

The drill is run with stubs for kubectl and velero, which answer by rote: that shows what it asks for, in which
order, and what it refuses. It does not show that Velero restores; that is shown by running it.
"""

from __future__ import annotations

import base64
import copy
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from api_schemas import problems_of
from kustomization import built
from manifests import CLOUDS, ENVIRONMENTS, PLATFORM, REPOSITORY
from rendering import CHART, Object

FOLDER = PLATFORM / "recovery"
PAGE = REPOSITORY / "docs" / "operations" / "recovery.md"
ADDONS = {
    *("kube-system", "istio-system", "istio-ingress", "istio-eastwest", "gatekeeper-system", "cert-manager"),
    *("external-secrets", "keda", "karpenter", "descheduler", "observability", "velero", "opencost"),
    *(
        "argo-rollouts",
        "trivy-system",
        "cosign-system",
        "litmus",
        "argocd",
        "crossplane-system",
        "tekton-pipelines",
    ),
}
"""The namespaces of the platform; where add-ons say their own, those count too."""


def kept_by(cloud: str, environment: str) -> list[Object]:
    return built(FOLDER / cloud, FOLDER / "environments" / environment)


def problems_of_backups(those: list[Object], environment: str) -> Iterator[str]:
    """What would have a cluster without a backup, or one that is written over another's."""
    locations = [one for one in those if one["kind"] == "BackupStorageLocation"]
    if [one["spec"].get("default") for one in locations] != [True]:
        yield "there is not one default location"
    for one in locations:
        bucket = one["spec"]["objectStorage"]["bucket"]
        if bucket != f"chat-{environment}-backups":
            yield f"{environment} keeps its backups in {bucket}"
    for one in those:
        if one["metadata"].get("namespace") != "velero":
            yield f"{one['kind']} is not in the namespace that Velero looks at"
    yield from _schedules(those, {one["metadata"]["name"] for one in locations}, environment)


def _schedules(those: list[Object], locations: set[str], environment: str) -> Iterator[str]:
    schedules = {one["metadata"]["name"]: one["spec"] for one in those if one["kind"] == "Schedule"}
    if schedules.keys() != ({"cluster"} if environment == "mgmt" else {"cluster", "chat"}):
        yield f"{environment} has the schedules {sorted(schedules)}"
    for name, spec in schedules.items():
        if spec["template"]["storageLocation"] not in locations:
            yield f"{name} goes to {spec['template']['storageLocation']}, which does not exist"
        if not re.fullmatch(r"\d+ (\d+|\*) \* \* \*", spec["schedule"]):
            yield f"{name} is made at {spec['schedule']}"
        if int(spec["template"]["ttl"].removesuffix("h")) < 72:
            yield f"{name} is not kept over a weekend"


@pytest.mark.usefixtures("schemas")
@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("environment", [*ENVIRONMENTS, "mgmt"])
def test_every_cluster_keeps_backups_of_its_own(cloud: str, environment: str) -> None:
    those = kept_by(cloud, environment)
    assert [problem for one in those for problem in problems_of(one)] == []
    assert list(problems_of_backups(those, environment)) == []
    assert {one["spec"]["provider"] for one in those if "provider" in one["spec"]} == {cloud}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_is_promised_of_the_volume_is_how_often_it_is_kept(environment: str) -> None:
    (chat,) = (one["spec"] for one in kept_by("aws", environment) if one["metadata"]["name"] == "chat")
    assert chat["schedule"].split()[1] == "*"
    assert chat["template"]["snapshotMoveData"] is True
    (row,) = (line for line in PAGE.read_text().splitlines() if line.startswith("| embedded: the volume"))
    assert row.split("|")[2].strip() == "1 h"


def change(name: str, value: object, *path: str) -> Callable[[list[Object]], None]:
    def apply(those: list[Object]) -> None:
        place: Any = next(one for one in those if name in (one["kind"], one["metadata"]["name"]))
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value

    return apply


BROKEN = [
    (
        change("BackupStorageLocation", "chat-prod-backups", "spec", "objectStorage", "bucket"),
        "in chat-prod-backups",
    ),
    (change("BackupStorageLocation", False, "spec", "default"), "not one default"),
    (change("cluster", "elsewhere", "spec", "template", "storageLocation"), "elsewhere, which does not exist"),
    (change("chat", "sometimes", "spec", "schedule"), "made at sometimes"),
    (change("chat", "24h", "spec", "template", "ttl"), "over a weekend"),
    (change("chat", "chat", "metadata", "namespace"), "not in the namespace"),
    (
        lambda those: those.remove(next(one for one in those if one["metadata"]["name"] == "chat")),
        "schedules ['cluster']",
    ),
]


@pytest.mark.parametrize(("broken", "said"), BROKEN, ids=[said for _, said in BROKEN])
def test_a_broken_backup_is_caught(broken: Callable[[list[Object]], None], said: str) -> None:
    those = copy.deepcopy(kept_by("aws", "dev"))
    broken(those)
    assert said in "\n".join(problems_of_backups(those, "dev"))


@pytest.mark.usefixtures("schemas")
@pytest.mark.parametrize("kind", ["BackupStorageLocation", "VolumeSnapshotLocation", "Schedule", "Job"])
def test_a_wrong_field_is_caught_in_every_kind(kind: str) -> None:
    there = [*kept_by("gcp", "prod"), yaml.safe_load((FOLDER / "copy.yaml").read_text())]
    one = copy.deepcopy(next(one for one in there if one["kind"] == kind))
    assert problems_of(one) == []
    one["spec"]["noSuchField"] = 1
    assert problems_of(one)


# -- the order ----------------------------------------------------------------------------------------


def order() -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = yaml.safe_load((FOLDER / "order.yaml").read_text())["order"]
    return steps


def problems_of_order(steps: list[dict[str, Any]]) -> Iterator[str]:
    """What would be restored before what it stands on, twice, or not at all."""
    seen: list[str] = []
    for step in steps:
        if missing := {*step["needs"]} - {*seen}:
            yield f"{step['step']} comes before {', '.join(sorted(missing))}"
        seen.append(step["step"])
        if step["from"] not in {"by hand", "git", "velero", "cloud", "drill"}:
            yield f"{step['step']} comes from {step['from']}"
    namespaces = [name for step in steps for name in step.get("namespaces", [])]
    told = {
        yaml.safe_load(file.read_text())["addon"]["namespace"] for file in PLATFORM.glob("addons/*/addon.yaml")
    }
    if missing := (ADDONS | told | {"chat"}) - {*namespaces}:
        yield f"{', '.join(sorted(missing))} is not restored"
    if twice := {name for name in namespaces if namespaces.count(name) > 1}:
        yield f"{', '.join(sorted(twice))} is restored twice"
    for sooner, later in (("database", "incarnation"), ("incarnation", "chat"), ("chat", "people")):
        if sooner in seen and later in seen and sooner not in _before(later, steps):
            yield f"{later} does not wait for {sooner}"


def _before(step: str, steps: list[dict[str, Any]]) -> set[str]:
    needs = {one["step"]: one["needs"] for one in steps}
    found: set[str] = set()
    ways = list(needs[step])
    while ways:
        one = ways.pop()
        if one not in found:
            found.add(one)
            ways += needs.get(one, [])
    return found


def test_everything_comes_back_after_what_it_stands_on() -> None:
    assert list(problems_of_order(order())) == []


@pytest.mark.parametrize("step", [one["step"] for one in order()])
def test_the_page_tells_of_every_step(step: str) -> None:
    assert f"| {step} |" in PAGE.read_text()


def test_a_broken_order_is_caught() -> None:
    steps = order()
    assert "clouds comes before management" in "\n".join(problems_of_order([steps[2], steps[1], *steps]))
    without = [one for one in steps if one["step"] != "operators"]
    assert "keda" in "\n".join(problems_of_order(without))
    old = copy.deepcopy(steps)
    next(one for one in old if one["step"] == "chat")["needs"] = ["database", "policies", "operators"]
    assert "chat does not wait for incarnation" in "\n".join(problems_of_order(old))


# -- the drill ----------------------------------------------------------------------------------------

URI = "mongodb+srv://chat:s3cret@restored.example.org/chat?tls=true&authSource=admin"
ANSWERS = {
    "get backups.velero.io": "chat-20300131031700\\n",
    "get restores.velero.io": "Completed",
    "get secret chat-mongodb": base64.b64encode(URI.replace("restored", "living").encode()).decode(),
    "get statefulset": "registry.example.org/chat/chat-service:0.1.0",
    "get pods": "chat-gateway-1",
}


class Drill:
    """The script with stubs on its path, which note what they are asked and answer by rote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers = dict(ANSWERS)
        self.fails = ["get restores.velero.io drill-1-data\n", "get restores.velero.io drill-1-workloads\n"]
        (folder / "uri").write_text(URI + "\n")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it for cluster `dev-aws` and id 1."""
        for name in ("kubectl", "velero"):
            self._stub(name)
        command = [FOLDER / "drill", "--context", "dev-aws", "--id", "1", *arguments]
        path = {"PATH": f"{self.folder}:/usr/bin:/bin", "TMPDIR": str(self.folder)}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=path, timeout=30)

    def cluster(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it on the restored server."""
        return self.run("--from-uri", str(self.folder / "uri"), *arguments)

    @property
    def asked(self) -> list[str]:
        """Every call, in order."""
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.is_file() else []

    def _stub(self, name: str) -> None:
        fails = "".join(f"  *{json.dumps(text.strip())}) exit 1 ;;\n" for text in self.fails)
        answers = "".join(f"  *{json.dumps(text)}*) printf '{said}' ;;\n" for text, said in self.answers.items())
        stub = self.folder / name
        stub.write_text(
            f'#!/bin/sh\necho "{name} $*" >>{self.folder}/asked\n'
            f'for file in "$@"; do case $file in */patch) cp "$file" {self.folder}/seen ;; esac; done\n'
            f'case "$*" in\n{fails}{answers}esac\n'
        )
        stub.chmod(0o755)


@pytest.fixture
def drill(tmp_path: Path) -> Drill:
    return Drill(tmp_path)


def test_a_dry_run_says_everything_and_asks_nothing(drill: Drill) -> None:
    done = drill.cluster("--dry-run")
    assert done.returncode == 0, done.stderr
    assert drill.asked == []
    for told in ("velero restore create drill-1-data", "job/drill-copy", "patch secret", "chat-service check"):
        assert told in done.stdout


def test_it_restores_beside_the_living_and_under_a_new_name(drill: Drill) -> None:
    done = drill.cluster()
    assert done.returncode == 0, done.stdout + done.stderr
    changed = [call for call in drill.asked if re.search(r" (create|delete|apply|patch|exec) ", call)]
    assert all("--namespace chat-drill" in call or "chat:chat-drill" in call for call in changed)
    order = [next(n for n, call in enumerate(drill.asked) if text in call) for text in (
        "restore create drill-1-data", "apply --filename", "patch secret chat-mongodb",
        "restore create drill-1-workloads", "exec chat-gateway-1 -- chat-service check",
    )]  # fmt: skip
    assert order == sorted(order), "no pod starts before its Secret names the new database"
    patch = json.loads((drill.folder / "seen").read_text())
    new = base64.b64decode(patch["data"]["uri"]).decode()
    assert new == URI.replace("/chat?", "/chat-r1?")


def test_no_password_is_said_or_an_argument(drill: Drill) -> None:
    done = drill.cluster()
    assert "s3cret" not in done.stdout + done.stderr + "".join(drill.asked)


def test_nothing_that_acts_outside_is_restored(drill: Drill) -> None:
    drill.cluster()
    created = [call for call in drill.asked if "restore create" in call]
    assert all("--include-resources" in call for call in created)
    kinds = {kind for call in created for kind in re.search(r"--include-resources (\S+)", call)[1].split(",")}  # type: ignore[index]
    for outside in ("httproutes", "ingresses", "scaledobjects", "externalsecrets", "jobs", "cronjobs"):
        assert not any(kind.startswith(outside) for kind in kinds)
    (workloads,) = (call for call in created if "drill-1-workloads" in call)
    assert "component!=worker" in workloads, "workers would call webhooks again"
    assert "component" in (CHART / "templates" / "_helpers.tpl").read_text()


def test_the_same_again_goes_on_where_it_stopped(drill: Drill) -> None:
    drill.fails = []
    drill.answers["get job drill-copy"] = "1"
    done = drill.cluster()
    assert done.returncode == 0, done.stderr
    assert not any("restore create" in call or "apply --filename" in call for call in drill.asked)
    assert any("chat-service check" in call for call in drill.asked)


def test_what_the_cloud_restored_under_the_new_name_is_not_copied(drill: Drill) -> None:
    (drill.folder / "uri").write_text(URI.replace("/chat?", "/chat-r1?"))
    done = drill.cluster()
    assert done.returncode == 0, done.stderr
    assert not any("drill-copy" in call for call in drill.asked)
    assert "/chat-r1?" in base64.b64decode(json.loads((drill.folder / "seen").read_text())["data"]["uri"]).decode()


def test_a_uri_without_a_database_is_refused(drill: Drill) -> None:
    (drill.folder / "uri").write_text("mongodb://chat:x@restored.example.org/?tls=true")
    done = drill.cluster()
    assert (done.returncode, "expected mongodb://HOST/DATABASE" in done.stderr) == (1, True)
    assert not any("workloads" in call for call in drill.asked)


def test_the_name_that_the_living_chat_has_is_refused(drill: Drill) -> None:
    living = URI.replace("/chat?", "/chat-r1?").encode()
    drill.answers["get secret chat-mongodb"] = base64.b64encode(living).decode()
    done = drill.cluster()
    assert (done.returncode, "the living chat is on chat-r1" in done.stderr) == (1, True)


def test_a_restore_that_is_not_whole_stops_it(drill: Drill) -> None:
    drill.answers["get restores.velero.io"] = "PartiallyFailed"
    done = drill.cluster()
    assert done.returncode == 1
    assert "is PartiallyFailed" in done.stderr


def test_without_its_closed_namespace_it_stops(drill: Drill) -> None:
    drill.fails.append("get namespace chat-drill\n")
    done = drill.cluster()
    assert (done.returncode, "expected the namespace chat-drill" in done.stderr) == (1, True)
    assert not any("restore create" in call for call in drill.asked)


def test_without_a_backup_it_stops(drill: Drill) -> None:
    drill.answers["get backups.velero.io"] = ""
    assert "no completed backup" in drill.cluster().stderr


def test_a_volume_becomes_a_new_incarnation_before_the_service_starts(drill: Drill) -> None:
    done = drill.run("--embedded")
    assert done.returncode == 0, done.stderr
    calls = drill.asked
    restored = next(n for n, call in enumerate(calls) if "restored.yaml" in call)
    started = next(n for n, call in enumerate(calls) if "restore create drill-1-workloads" in call)
    assert restored < started
    (job,) = yaml.safe_load((FOLDER / "restored.yaml").read_text())["spec"]["template"]["spec"]["containers"]
    assert job["args"] == ["admin", "restored"]


def test_it_takes_away_what_it_made_and_nothing_else(drill: Drill) -> None:
    assert drill.run("--clean").returncode == 0
    assert [call.split("dev-aws ")[1] for call in drill.asked] == [
        "--namespace chat-drill delete --all --timeout=600s deployments.apps,rollouts.argoproj.io,"
        "statefulsets.apps,jobs.batch,services,secrets,configmaps,serviceaccounts",
        "--namespace chat-drill delete --all --timeout=600s persistentvolumeclaims",
        "--namespace velero delete restores.velero.io drill-1-data --ignore-not-found",
        "--namespace velero delete restores.velero.io drill-1-workloads --ignore-not-found",
    ]


@pytest.mark.parametrize("arguments", [(), ("--from-uri",), ("--embedded", "--from-uri", "x"), ("--all",)])
def test_wrong_use_is_told_of(drill: Drill, arguments: tuple[str, ...]) -> None:
    done = drill.run(*arguments)
    assert done.returncode == 2
    assert "usage: drill" in done.stderr
    assert drill.asked == []


def test_an_id_that_is_no_name_is_refused(drill: Drill) -> None:
    done = drill.run("--embedded", "--id", "../chat")
    assert (done.returncode, "letters and digits" in done.stderr) == (1, True)
