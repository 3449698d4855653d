"""Where versions are said, and which of them are not those of platform/versions.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gitops import addons, folders, load, versions
from manifests import Document, documents

_IMAGE = re.compile(r"(?P<name>[a-z0-9.-]+\.[a-z]+/[a-z0-9/._-]+):(?P<tag>v?[0-9][\w.-]*)")
# What a page calls a thing, and what the list calls it.
_NAMES = {
    "Alloy": "alloy",
    "Argo CD": "argo-cd",
    "Argo Rollouts": "argo-rollouts",
    "Cilium": "cilium",
    "Descheduler": "descheduler",
    "External Secrets": "external-secrets",
    "Gatekeeper": "gatekeeper",
    "Istio": "istiod",
    "KEDA": "keda",
    "Karpenter": "karpenter",
    "Litmus": "litmus",
    "Loki": "loki",
    "OpenCost": "opencost",
    "Tempo": "tempo",
    "Velero": "velero",
    "cert-manager": "cert-manager",
    "metrics-server": "metrics-server",
}
_SAID = re.compile(rf"\b(Kubernetes|{'|'.join(map(re.escape, _NAMES))}) v?(\d+\.\d+(?:\.\d+)?)\b(?! or newer)")


def wrong_charts(platform: Path) -> Iterator[str]:
    """Charts of add-ons and of Argo CD, and revisions of other repositories."""
    known = versions(platform)
    charts = {name: addon["version"] for name, addon in addons(platform).items()}
    charts["argo-cd"] = next(
        source["targetRevision"]
        for source in load(platform / "bootstrap" / "argocd-app.yaml")["spec"]["sources"]
        if "chart" in source
    )
    for name, version in charts.items():
        said = known["charts"].get(name, {}).get("version")
        if version != said:
            yield f"{name} has chart {version}, and the list {said}"
    yield from (f"{name} is in the list, and nowhere else" for name in known["charts"].keys() - charts.keys())
    sources = {one["repository"]: one["revision"] for one in folders(platform).values() if "repository" in one}
    if sources != {name: one["version"] for name, one in known["sources"].items()}:
        yield f"other repositories are {sources}"


def images(value: Any) -> Iterator[tuple[str, str]]:
    """Images that values name, whole or by parts, with their version."""
    if isinstance(value, dict):
        name, tag = value.get("repository") or value.get("hub"), value.get("tag") or value.get("version")
        if isinstance(name, str) and tag:
            yield name, str(tag)
        for item in value.values():
            yield from images(item)
    elif isinstance(value, list):
        for item in value:
            yield from images(item)
    elif isinstance(value, str) and (found := _IMAGE.fullmatch(value)):
        yield found["name"], found["tag"]


def wrong_images(platform: Path) -> Iterator[str]:
    """Images of add-ons' values and of the local cluster, those of the chat left out: the pipeline writes them."""
    known = {name: one["version"] for name, one in versions(platform)["images"].items()}
    named = set()
    for one in documents(platform):
        place = one.path.relative_to(platform)
        if place.match("addons/*/values*.yaml") or place.match("bootstrap/*.yaml"):
            # What comes with a chart by its own default is the chart's.
            for name, tag in images(one.content):
                named.add(name)
                if known.get(name) != tag:
                    yield f"{place} has {name} {tag}, and the list {known.get(name)}"
    yield from (f"{name} is in the list, and nowhere else" for name in known.keys() - named)


def wrong_apis(those: tuple[Document, ...], platform: Path) -> Iterator[str]:
    """Kinds in another version than the list's."""
    known = versions(platform)
    for one in those:
        group, _, version = str(one.content["apiVersion"]).rpartition("/")
        full = ".".join(filter(None, (one.content["kind"], group)))
        said = known["exceptions"].get(full, known["apis"].get(group))
        if version != said:
            yield f"{one} is a {full} in {version}, and the list has {said}"


def wrong_words(page: Path, platform: Path) -> Iterator[str]:
    """Versions that a page says: the one that runs, the one that was proven, or the first numbers of either."""
    known = versions(platform)
    for name, said in _SAID.findall(page.read_text()):
        one = known["kubernetes"] if name == "Kubernetes" else known["charts"][_NAMES[name]]
        right = {str(one.get("app", one["version"])), str(one.get("proven", one["version"])).removeprefix("v")}
        if not any(version == said or version.startswith(f"{said}.") for version in right):
            yield f"{page.name} speaks of {name} {said}, and the list of {' and '.join(sorted(right))}"
