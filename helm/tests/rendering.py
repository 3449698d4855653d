"""Renders the chart with Helm: every combination of environment, cloud and mode, as objects."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import yaml

REPOSITORY = Path(__file__).parents[2]
HELM = REPOSITORY / ".cache" / "tools" / "helm"
CHART = REPOSITORY / "helm" / "chat"
RELEASE, NAMESPACE = "chat", "chat"
KUBERNETES = "1.35.0"
ENVIRONMENTS, CLOUDS, MODES = ("dev", "staging", "prod"), ("aws", "gcp", "azure"), ("embedded", "cluster")

Object: TypeAlias = dict[str, Any]

EVERYTHING = """
hosts: [chat.example.org]
filesBucket: files
cloud: azure
serviceAccount: {identity: 00000000-0000-0000-0000-000000000000}
rollout: {enabled: true}
autoscaling: {by: keda}
httpRoute: {enabled: true}
ingress: {enabled: true, className: nginx, tlsSecret: chat-tls}
cilium: {enabled: true, names: [{pattern: "**.example.org", port: 27017}]}
istio: {enabled: true}
externalSecrets: {enabled: true, tokenKeysKey: chat-token-keys}
monitoring: {serviceMonitor: {enabled: true}, rules: {enabled: true}}
tests: {fail: true, existingSecret: chat-test-account}
"""
"""Every option at once; no overlay has all of them."""


class Refused(Exception):  # noqa: N818 - it is an answer
    """Helm refused the chart or its values; the message is Helm's."""


@dataclass(frozen=True)
class Combination:
    """A way to install the chart: overlays, and what --set changes of them."""

    environment: str = ""
    cloud: str = ""
    mode: str = ""

    @property
    def arguments(self) -> tuple[str, ...]:
        """What Helm is told."""
        folders = (("environments", self.environment), ("clouds", self.cloud))
        overlays = [f"--values={CHART / folder / name}.yaml" for folder, name in folders if name]
        return (*overlays, *([f"--set=mode={self.mode}"] if self.mode else []))

    def __str__(self) -> str:
        return "-".join(filter(None, (self.environment, self.cloud, self.mode)))


COMBINATIONS = tuple(Combination(*parts) for parts in product(ENVIRONMENTS, CLOUDS, MODES))


def helm(*arguments: str, given: str = "") -> str:
    """What Helm prints. Raises Refused."""
    done = subprocess.run(
        [HELM, *arguments], input=given, capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    if done.returncode:
        raise Refused(done.stdout + done.stderr)
    return done.stdout


def rendered(*arguments: str, chart: Path = CHART, values: str = "") -> list[Object]:
    """The objects of a release. Raises Refused."""
    return list(objects(template(*arguments, chart=chart, values=values)))


def template(*arguments: str, chart: Path = CHART, values: str = "") -> str:
    """The manifest of a release as text. Raises Refused."""
    return helm(
        "template",
        RELEASE,
        str(chart),
        f"--namespace={NAMESPACE}",
        f"--kube-version={KUBERNETES}",
        *arguments,
        *(["--values=-"] if values else []),
        given=values,
    )


def notes(*arguments: str, values: str = "") -> str:
    """What Helm says after an install. It prints that only to a cluster, so here it is put into an object."""
    with TemporaryDirectory() as folder:
        chart = Path(shutil.copytree(CHART, Path(folder) / "chat"))
        shown = '{"notes": {{ include (print .Template.BasePath "/NOTES.txt") . | toJson }} }'
        (chart / "templates" / "notes.yaml").write_text(shown)
        only = "--show-only=templates/notes.yaml"
        return str(rendered(only, *arguments, chart=chart, values=values)[0]["notes"])


def objects(manifest: str) -> Iterator[Object]:
    """The objects of a manifest."""
    return (document for document in yaml.load_all(manifest, yaml.CSafeLoader) if document)


@cache
def of(combination: Combination) -> tuple[Object, ...]:
    """The objects of a combination, rendered once; nobody may change them."""
    return tuple(rendered(*combination.arguments))


def name_of(one: Object) -> str:
    """Kind and name."""
    return f"{one['kind']}/{one['metadata']['name']}"


def pick(those: list[Object] | tuple[Object, ...], kind: str, name: str = "") -> Object:
    """The one object of a kind, and of a name where it is given."""
    (found,) = (one for one in those if one["kind"] == kind and name in ("", one["metadata"]["name"]))
    return found


def pod_of(one: Object) -> Object | None:
    """The pod's template in a workload: metadata and spec. None for what has no pods."""
    if one["kind"] == "Pod":
        return one
    found: Object | None = one.get("spec", {}).get("template")
    return found if isinstance(found, dict) and "containers" in found.get("spec", {}) else None
