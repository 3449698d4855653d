"""The gates can fail: a broken copy of every kind of file of GitOps is caught, each by what should catch it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from version_mentions import wrong_apis, wrong_charts, wrong_images, wrong_words

import gitops
from api_schemas import problems_of
from manifests import ENVIRONMENTS, objects
from rendering import CHART, rendered
from rendering import Refused as ChartRefused

pytestmark = pytest.mark.usefixtures("argocd", "helm", "schemas")

SETS = "platform/argocd/applicationsets"
# File, what stands in it, what the broken copy has there, and what has to be said.
BROKEN = [
    ("platform/argocd/clusters/prod-gcp.yaml", "name: prod-gcp", "name: prod-gpc", "is not on prod-gcp"),
    ("platform/argocd/clusters/dev-aws.yaml", "environment: dev", "enviroment: dev", "environment"),
    ("platform/argocd/clusters/dev-aws.yaml", "cluster:\n", "cluster: {\n", "ParserError"),
    ("platform/addons/istiod/addon.yaml", "project: platform", "project: plattform", "no project plattform"),
    ("platform/addons/keda/addon.yaml", "namespace: keda", "namespace: chat", "leads not to chat"),
    ("platform/addons/loki/addon.yaml", "grafana-community", "grafana-comunity", "takes nothing from"),
    ("platform/addons/velero/addon.yaml", "version: 12.1.0", "version: 12.1.1", "velero has chart 12.1.1"),
    ("platform/addons/litmus/addon.yaml", "clusters: workload", "clusters: workloads", "workloads"),
    (
        "platform/addons/opencost/addon.yaml",
        "[aws, gcp, azure]",
        "[aws, gpc, azure]",
        "opencost is not on dev-gpc",
    ),
    ("platform/addons/istiod/addon.yaml", "$(environment)", "$(env)", "istiod-dev-aws leaves $(env)"),
    ("platform/addons/velero/values-aws.yaml", "v1.14.2", "v1.14.1", "v1.14.1, and the list v1.14.2"),
    ("platform/addons/istiod/values.yaml", "tag: 1.30.3", "tag: 1.30.4", "1.30.4, and the list 1.30.3"),
    ("platform/argocd/manifests/gateway-api.yaml", "v1.6.1", "v1.6.0", "other repositories are"),
    (
        "platform/argocd/manifests/rules-hub.yaml",
        "namespace: observability",
        "namespace: velero",
        "leads not to velero",
    ),
    (f"{SETS}/addons.yaml", "goTemplateOptions: [missingkey=error]", "goTemplateOption: []", "goTemplateOption"),
    (f"{SETS}/addons.yaml", "'{{ .addon.version }}'", "'{{ .addon.versoin }}'", "versoin"),
    (f"{SETS}/addons.yaml", "maxUpdate: 1", "maxUpdates: 1", "'maxUpdates' was unexpected"),
    (f"{SETS}/addons.yaml", "pathParamPrefix: clusterFile", "pathParamPrefix: cluster", "cluster"),
    (
        f"{SETS}/manifests.yaml",
        "revision: main\n              pathParamPrefix: manifests",
        "revision: master\n              pathParamPrefix: manifests",
        "at master",
    ),
    (f"{SETS}/chat.yaml", "project: chat-{{", "project: chat{{", "no project chatdev"),
    (
        f"{SETS}/chat.yaml",
        "images/{{ .cluster.environment }}",
        "image/{{ .cluster.environment }}",
        "argocd/chat/image/dev.yaml",
    ),
    (
        "platform/argocd/projects/chat-prod.yaml",
        "name: prod-*",
        "name: staging-*",
        "leads not to chat of prod-aws",
    ),
    (
        "platform/argocd/projects/platform.yaml",
        "helm.cilium.io",
        "helm.cilum.io",
        "takes nothing from https://helm.cilium.io",
    ),
    ("platform/argocd/projects/security.yaml", "schedule: 0 8", "schedule: 0 28", "schedule"),
    ("platform/argocd/projects/chat-dev.yaml", "chat-dev/*, allow", "chat-prod/*, allow", "chat-prod"),
    ("platform/argocd/projects/observability.yaml", "sourceRepos", "sourceRepo", "sourceRepo"),
    ("platform/argocd/chat/platform.yaml", "serviceMonitor", "servicMonitor", "'servicMonitor' not allowed"),
    ("platform/argocd/chat/home-aws.yaml", "port: 27017}\nredis", "port: 270170}\nredis", "/mongodb/port"),
    ("platform/argocd/chat/images/prod.yaml", "sha256:0", "sha256:g", "/image/digest"),
    ("platform/argocd/chat/images/dev.yaml", "0.1.0", "latest", "/image/tag"),
    ("platform/bootstrap/kind.yaml", "disableDefaultCNI", "disableDefaultCni", "disableDefaultCni"),
    ("platform/bootstrap/kind.yaml", "node:v1.35.0", "node:v1.35.1", "v1.35.1, and the list v1.35.0"),
    ("platform/bootstrap/root-app.yaml", "selfHeal: true", "selfheal: true", "selfheal"),
    (
        "platform/bootstrap/root-app.yaml",
        "argoproj.io/v1alpha1",
        "argoproj.io/v1beta1",
        "no AppProject in argoproj.io/v1beta1",
    ),
    ("platform/bootstrap/argocd-app.yaml", "10.1.1", "10.1.0", "argo-cd has chart 10.1.0"),
    (
        "platform/versions.yaml",
        "  velero: {version",
        "  veleros: {version",
        "veleros is in the list, and nowhere else",
    ),
    ("platform/README.md", "# ", "# Istio 1.29 ", "speaks of Istio 1.29"),
]


def gates(repository: Path, file: str) -> Iterator[str]:
    """What the gates say against a copy of the repository in which a file was changed, the quick ones first."""
    platform = repository / "platform"
    try:
        those = objects(platform)
        yield from (f"{one}: {problem}" for one in those for problem in problems_of(one.content))
        yield from wrong_charts(platform)
        yield from wrong_images(platform)
        yield from wrong_apis(those, platform)
        yield from wrong_words(platform / "README.md", platform)
        if "argocd/chat" in file:
            _render_the_chat(repository)
        made = gitops.generated(repository)
        yield from (f"{one.name}: {problem}" for one in made for problem in one.refused)
        yield from (f"{one.name} leaves $(env)" for one in made if "$(env)" in str(one.sources))
        for name, addon in gitops.addons(platform).items():
            there = {one.cluster for one in made if one.labels.get("platform.chat.example.org/addon") == name}
            yield from (f"{name} is not on {cluster}" for cluster in sorted(gitops.meant_for(addon) - there))
        for one in made:
            if one.set == "chat":
                files = [repository / file.lstrip("/") for file in _files(one) if file.startswith("/")]
                yield from (f"there is no {missing}" for missing in files if not missing.is_file())
    except (gitops.Refused, ChartRefused, yaml.YAMLError, KeyError, StopIteration) as problem:
        yield repr(problem)


def _files(one: gitops.Generated) -> list[str]:
    return list(one.sources[0]["helm"]["valueFiles"])


def _render_the_chat(repository: Path) -> None:
    """Have Helm look at the values that each environment's chat is given. Raises ChartRefused."""
    for environment in ENVIRONMENTS:
        own = repository / "platform" / "argocd" / "chat"
        places = [
            CHART / "environments" / f"{environment}.yaml",
            CHART / "clouds" / "gcp.yaml",
            own / "platform.yaml",
            own / "home-aws.yaml",
            own / "images" / f"{environment}.yaml",
        ]
        rendered(*(f"--values={place}" for place in places))


def without_the_rest(repository: Path, file: str) -> None:
    """Take out of a copy what a file has nothing to do with: to expand everything takes seconds each time."""
    _, folder, *rest = file.split("/")
    own = folder if folder == "addons" else Path(file).stem if file.startswith(SETS) else rest[0] if rest else ""
    if own in {"addons", "manifests", "chat"}:
        for one in (repository / SETS).glob("*.yaml"):
            if one.stem != own:
                one.unlink()
    if folder == "addons":
        for one in (repository / "platform" / "addons").iterdir():
            if one.name != rest[0]:
                shutil.rmtree(one)


def test_the_gates_let_the_platform_through(copied: Path) -> None:
    assert not list(gates(copied, "platform/argocd/chat/platform.yaml"))


@pytest.mark.parametrize(("file", "right", "wrong", "said"), BROKEN, ids=lambda text: text[:48])
def test_a_broken_copy_is_caught(copied: Path, file: str, right: str, wrong: str, said: str) -> None:
    text = (copied / file).read_text()
    assert right in text
    (copied / file).write_text(text.replace(right, wrong))
    without_the_rest(copied, file)
    assert any(said in problem for problem in gates(copied, file))


def test_every_kind_of_file_has_a_broken_copy(copied: Path) -> None:
    folders = {str(Path(file).parent) for file, *_ in BROKEN}
    needed = {
        str(path.parent.relative_to(copied)).split("/addons/")[0]
        for part in ("argocd", "addons", "bootstrap")
        for path in (copied / "platform" / part).rglob("*.yaml")
    }
    assert needed <= {folder.split("/addons/")[0] for folder in folders}
