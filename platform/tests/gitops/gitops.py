"""The platform's own lists (clusters, add-ons, manifests, versions) and what Argo CD generates from them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from manifests import PLATFORM, REPOSITORY

SAYS = REPOSITORY / ".cache" / "tools" / "argocd-says"
GIT = "https://git.example.org/chat/platform.git"
PROJECTS = ("platform", "security", "observability", "chat-dev", "chat-staging", "chat-prod")

Yaml: TypeAlias = dict[str, Any]


class Refused(Exception):  # noqa: N818 - it is an answer
    """Argo CD refused the files; the message is its own."""


@dataclass(frozen=True)
class Generated:
    """An Application, the ApplicationSet that made it, and what its project refuses of it."""

    set: str
    application: Yaml
    refused: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name, which is one in all of Argo CD."""
        return str(self.application["metadata"]["name"])

    @property
    def labels(self) -> dict[str, str]:
        """Labels, by which the sets roll."""
        return dict(self.application["metadata"]["labels"])

    @property
    def spec(self) -> Yaml:
        """What it is."""
        return dict(self.application["spec"])

    @property
    def sources(self) -> list[Yaml]:
        """Where it comes from."""
        return list(self.spec.get("sources") or [self.spec["source"]])

    @property
    def cluster(self) -> str:
        """Where it goes."""
        return str(self.spec["destination"]["name"])


def asked(*command: str, question: object = None) -> Any:
    """What Argo CD's own rules say. Raises Refused."""
    done = subprocess.run(
        [SAYS, *command], input=json.dumps(question), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Refused(done.stderr)
    return json.loads(done.stdout)


def generated(repository: Path = REPOSITORY) -> list[Generated]:
    """The Applications that the ApplicationSets of a repository make. Raises Refused."""
    said = asked("applications", str(repository))
    return [Generated(one["set"], one["application"], tuple(one["refused"])) for one in said]


@cache
def applications() -> tuple[Generated, ...]:
    """Those of this repository."""
    return tuple(generated())


def load(path: Path) -> Any:
    """One file."""
    return yaml.load(path.read_text(), yaml.CSafeLoader)


def clusters(platform: Path = PLATFORM) -> dict[str, Yaml]:
    """Clusters by their file's name."""
    return {path.stem: load(path)["cluster"] for path in sorted((platform / "argocd" / "clusters").glob("*.yaml"))}


def addons(platform: Path = PLATFORM) -> dict[str, Yaml]:
    """Add-ons by their folder's name."""
    return {path.parent.name: load(path)["addon"] for path in sorted((platform / "addons").glob("*/addon.yaml"))}


def folders(platform: Path = PLATFORM) -> dict[str, Yaml]:
    """Folders of manifests by their file's name."""
    return {
        path.stem: load(path)["manifests"] for path in sorted((platform / "argocd" / "manifests").glob("*.yaml"))
    }


def versions(platform: Path = PLATFORM) -> Yaml:
    """The only list of versions."""
    return dict(load(platform / "versions.yaml"))


def meant_for(one: Yaml) -> set[str]:
    """The clusters that an add-on or a folder is for, by its own words."""
    environments = one.get("environments", ["dev", "staging", "prod"])
    workload = {f"{environment}-{cloud}" for environment in environments for cloud in one["clouds"]}
    return {"workload": workload, "mgmt": {"mgmt"}, "all": workload | {"mgmt"}}[one["clusters"]]
