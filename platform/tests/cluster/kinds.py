"""The kinds of the platform's add-ons: their descriptions (CRDs), from the Go modules that tools/kinds pins."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml  # type: ignore[import-untyped]

from cluster.kubectl import KubernetesError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from cluster.kubectl import Kubectl, Object

TOOLS = Path(__file__).parent / "tools" / "kinds"
ROOT = Path(__file__).parents[3]
# Where a module keeps its descriptions.
_FILES = {
    "github.com/Azure/karpenter-provider-azure": "pkg/apis/crds/karpenter.azure.com_*.yaml",
    "github.com/argoproj/argo-cd/v3": "manifests/crds/*-crd.yaml",
    "github.com/argoproj/argo-rollouts": "manifests/crds/*-crd.yaml",
    "github.com/aws/karpenter-provider-aws": "pkg/apis/crds/*.yaml",
    "github.com/cert-manager/cert-manager": "deploy/crds/*.yaml",
    "github.com/cilium/cilium": "pkg/k8s/apis/cilium.io/client/crds/v2/*.yaml",
    "github.com/external-secrets/external-secrets": "config/crds/bases/external-secrets.io_*.yaml",
    "github.com/kedacore/keda/v2": "config/crd/bases/*.yaml",
    "github.com/open-policy-agent/gatekeeper/v3": "deploy/gatekeeper.yaml",
    "github.com/prometheus-operator/prometheus-operator": "example/prometheus-operator-crd/*.yaml",
    "github.com/sigstore/policy-controller": "config/300-*.yaml",
    "github.com/vmware-tanzu/velero": "config/crd/v1/bases/*.yaml",
    "istio.io/api": "kubernetes/customresourcedefinitions.gen.yaml",
    "sigs.k8s.io/gateway-api": "config/crd/standard/gateway.networking.k8s.io_*.yaml",
}
FETCH_S = 600
ESTABLISHED_S = 60
GONE_S = 600


class _Loader(yaml.CSafeLoader):  # type: ignore[misc]
    """Takes a bare = for the text that it is, as Kubernetes does."""


_Loader.add_constructor("tag:yaml.org,2002:value", yaml.CSafeLoader.construct_yaml_str)


def kind_of(one: Object) -> str:
    """The kind of an object with its group, as in Rollout.argoproj.io."""
    return f"{one['kind']}.{str(one['apiVersion']).rpartition('/')[0]}"


def pinned() -> dict[str, str]:
    """The version of each module, without its v."""
    lines = (line.split() for line in (TOOLS / "go.mod").read_text().splitlines() if line.startswith("\t"))
    return {module: version.removeprefix("v") for module, version in lines}


@cache
def descriptions() -> dict[str, Object]:
    """The descriptions, by kind and group. They are fetched where they are not on this machine yet."""
    found = {}
    for module, files in _FILES.items():
        for file in sorted(folder(module).glob(files)):
            for one in documents(file):
                if one["kind"] == "CustomResourceDefinition":
                    # Whoever converts between versions is not there; what is written is written in one.
                    one["spec"].pop("conversion", None)
                    found[f"{one['spec']['names']['kind']}.{one['spec']['group']}"] = one
    return found


@contextmanager
def known(kubectl: Kubectl, wanted: Collection[str]) -> Iterator[None]:
    """The cluster with those of some kinds that are to be had; what it has already is used and left."""
    there = {one["metadata"]["name"] for one in kubectl.items("customresourcedefinitions")}
    lacking = [
        one for kind, one in descriptions().items() if kind in wanted and one["metadata"]["name"] not in there
    ]
    names = [one["metadata"]["name"] for one in lacking]
    given = json.dumps({"apiVersion": "v1", "kind": "List", "items": lacking})
    try:
        if lacking:
            # Some are longer than what `apply` keeps in an annotation.
            kubectl.run("create", "--filename=-", given=given)
            kubectl.wait_for_kinds(*names, within_s=ESTABLISHED_S)
        yield
    finally:
        if lacking:
            kubectl.run("delete", "customresourcedefinitions", "--ignore-not-found", *names, within_s=GONE_S)


def refused(kubectl: Kubectl, those: Iterable[Object]) -> list[str]:
    """What the API server says against objects if they were applied; nothing is kept."""
    given = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(those)})
    told = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "--filename=-")
    try:
        kubectl.run("apply", *told, given=given, within_s=FETCH_S)
    except KubernetesError as said:
        return [str(said)]
    return []


def folder(module: str) -> Path:
    """Where a module is unpacked."""
    return Path(_folders()[module])


def documents(file: Path) -> list[Object]:
    """The documents of a file."""
    return [one for one in yaml.load_all(file.read_text(), _Loader) if one]


@cache
def _folders() -> dict[str, str]:
    """Where each module is unpacked; go.sum says what is in it."""
    environment = {**os.environ, "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    modules = [f"{module}@v{version}" for module, version in pinned().items()]
    command = ["go", "mod", "download", "-json", *modules]
    done = subprocess.run(
        command, cwd=TOOLS, env=environment, capture_output=True, text=True, check=True, timeout=FETCH_S
    )
    said = json.loads("[" + done.stdout.replace("}\n{", "},{") + "]")
    return {one["Path"]: one["Dir"] for one in said}
