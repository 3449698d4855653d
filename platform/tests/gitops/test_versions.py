"""platform/versions.yaml is the only list of versions: whatever says one says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from version_mentions import wrong_apis, wrong_charts, wrong_images, wrong_words

from gitops import load, versions
from manifests import PLATFORM, REPOSITORY, Document, objects
from rendering import CHART, COMBINATIONS, KUBERNETES, of

PAGES = sorted(
    {*(REPOSITORY / "docs").rglob("*.md"), *PLATFORM.rglob("*.md"), *(REPOSITORY / "helm").rglob("*.md")}
)
TOOLS = PLATFORM / "tests"


def test_every_line_says_why() -> None:
    known = versions()
    lines = {"kubernetes": known["kubernetes"], **known["charts"], **known["sources"], **known["images"]}
    for name, one in lines.items():
        assert set(one) <= {"version", "app", "proven", "why"}, name
        assert len(one["why"]) > 8, name
    assert all("app" in one for one in known["charts"].values())


def test_charts_are_those_of_the_list() -> None:
    assert not list(wrong_charts(PLATFORM))


def test_images_in_values_are_those_of_the_list() -> None:
    assert not list(wrong_images(PLATFORM))


def test_manifests_are_written_in_the_versions_of_the_list() -> None:
    assert not list(wrong_apis(objects(), PLATFORM))


@pytest.mark.usefixtures("helm")
def test_the_chart_is_written_in_the_versions_of_the_list() -> None:
    made = tuple(
        Document(CHART, CHART / str(combination), number, one)
        for combination in COMBINATIONS
        for number, one in enumerate(of(combination), start=1)
    )
    assert not list(wrong_apis(made, PLATFORM))


def test_kubernetes_is_one_version_everywhere() -> None:
    version = versions()["kubernetes"]["version"]
    assert version == KUBERNETES
    module = (TOOLS / "cluster" / "tools" / "kubernetes" / "go.mod").read_text()
    assert f"k8s.io/kubernetes v{version}" in module
    assert f"k8sVersionMinor={version.split('.')[1]}" in (REPOSITORY / "scripts" / "helm").read_text()
    least = re.search(r">=1\.(\d+)", load(CHART / "Chart.yaml")["kubeVersion"])
    assert least is not None
    assert int(least[1]) <= int(version.split(".")[1])


@pytest.mark.parametrize(
    ("chart", "module", "package"),
    [
        ("argo-cd", "tools/argocd", "github.com/argoproj/argo-cd/v3"),
        ("external-secrets", "cluster/tools/kinds", "github.com/external-secrets/external-secrets"),
        ("gatekeeper", "cluster/tools/gatekeeper", "github.com/open-policy-agent/gatekeeper/v3"),
        ("keda", "cluster/tools/keda", "github.com/kedacore/keda/v2"),
        ("metrics-server", "cluster/tools/metrics-server", "sigs.k8s.io/metrics-server"),
    ],
)
def test_what_is_called_proven_is_what_is_built_here(chart: str, module: str, package: str) -> None:
    proven = versions()["charts"][chart]["proven"]
    assert re.search(
        rf"(?m)^(require|\t)?\s*{re.escape(package)} v{re.escape(proven)}\b",
        (TOOLS / module / "go.mod").read_text(),
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_pages_speak_of_the_versions_of_the_list(page: Path) -> None:
    assert not list(wrong_words(page, PLATFORM))
