"""Gatekeeper lets production's chart in, and refuses every bad case of the policies' suites with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec.yaml
import pytest
from security_rooms import SECURITY, Cluster, of_chat, of_kind, of_room

from cluster import report
from cluster.gatekeeper import is_there, judging, refusal, running, until
from cluster.images import GATEKEEPER, archives
from cluster.kinds import kind_of, known
from cluster.namespaces import there
from manifests import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cluster.kubectl import Kubectl, Object

PROD = Cluster("prod", "aws")
SUITES = sorted((SECURITY / "gatekeeper").glob("*/suite.yaml"))


@dataclass(frozen=True)
class Case:
    """A case of a suite: an object, what has to be there already, and what must be said: nothing of a good one."""

    name: str
    path: Path
    inventory: tuple[Path, ...]
    message: str

    def __str__(self) -> str:
        return self.name


def read(path: Path) -> Any:
    return msgspec.yaml.decode(path.read_bytes())


def cases() -> Iterator[Case]:
    for file in SUITES:
        for test in read(file)["tests"]:
            for case in test["cases"]:
                (said,) = case["assertions"]
                yield Case(
                    f"{file.parent.name}/{case['name']}",
                    file.parent / case["object"],
                    tuple(file.parent / path for path in case.get("inventory", [])),
                    "" if said["violations"] is False else said["message"],
                )


def gone(kubectl: Kubectl, those: list[Object]) -> None:
    for one in those:
        inside = kubectl.inside(one["metadata"].get("namespace", ""))
        inside.run("delete", one["kind"], one["metadata"]["name"])


BAD = [case for case in cases() if case.message]


@pytest.fixture(scope="module")
def kinds(bare: Kubectl) -> Iterator[Kubectl]:
    """The cluster with the chart's kinds and the namespaces of the cases, which are as open as can be."""
    chart = of_chat(PROD)
    spaces = {"chat", *(read(case.path)["metadata"].get("namespace", "chat") for case in BAD)}
    spaces |= {read(path)["metadata"]["namespace"] for case in BAD for path in case.inventory}
    with there(bare, spaces), known(bare, {kind_of(one) for one in chart}):
        for name in spaces:
            bare.inside(name).run("wait", "--for=create", "serviceaccount/default")
        yield bare


@pytest.fixture(scope="module")
def guarded(kinds: Kubectl, load: Callable[[Path], None]) -> Iterator[Kubectl]:
    """The same with Gatekeeper and production's policies."""
    if not is_there(kinds):
        for archive in archives(GATEKEEPER):
            load(archive)
    with running(kinds), judging(kinds, of_room("gatekeeper", PROD)):
        yield kinds


def test_the_api_server_itself_has_nothing_against_the_bad_cases(kinds: Kubectl) -> None:
    """So that whatever refuses them later is the policies."""
    assert not is_there(kinds), "Gatekeeper is there already"
    assert not refusal(kinds, *(read(case.path) for case in BAD))


def test_the_chart_is_admitted(guarded: Kubectl, judged: Callable[[str, str], None]) -> None:
    """As Argo CD brings it: budgets and accounts before pods."""
    chart = of_chat(PROD)
    first = [
        *of_kind(chart, "ServiceAccount", "PodDisruptionBudget"),
        read(PLATFORM / "autoscaling" / "priority.yaml"),
    ]
    rest = [one for one in chart if one not in first and one["kind"] != "Namespace"]
    guarded.apply(*first)
    try:
        # It learns of a budget a moment after the API server does.
        until("the budgets are known", lambda: "needs a PodDisruptionBudget" not in refusal(guarded, *rest))
        assert not refusal(guarded, *rest)
    finally:
        gone(guarded, first)
    until("the budgets are gone", lambda: "needs a PodDisruptionBudget" in refusal(guarded, *rest))
    judged(f"the chart in {PROD}, with its policies", f"{len(first) + len(rest)} objects: all are admitted")


@pytest.fixture(scope="module")
def refused(judged: Callable[[str, str], None]) -> Iterator[Callable[[], object]]:
    """What counts a case that was refused as it must be."""
    assert judged is report.judge
    about, outcome = f"bad cases of {len(SUITES)} policies", "are refused, each with its message"
    with report.counting(about, len(BAD), outcome) as count:
        yield count


@pytest.mark.parametrize("case", BAD, ids=str)
def test_a_bad_case_is_refused(guarded: Kubectl, case: Case, refused: Callable[[], object]) -> None:
    inventory = [read(path) for path in case.inventory]
    if inventory:
        guarded.apply(*inventory)
    try:
        said = refusal(guarded, read(case.path))
    finally:
        gone(guarded, inventory)
    assert 'admission webhook "validation.gatekeeper.sh" denied the request' in said
    assert case.message in said
    refused()


def test_there_is_a_bad_case_of_every_policy() -> None:
    assert {case.name.partition("/")[0] for case in BAD} == {file.parent.name for file in SUITES}
