"""KEDA and metrics-server, from the manifests of their releases; what a cluster has already is used and left."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cluster.kubectl import KubernetesError
from cluster.modules import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.kubectl import Kubectl

HERE = Path(__file__).parent
READY_S = 180
GONE_S = 120


class Controller(msgspec.Struct, frozen=True):
    """One of them: `name` is its folder here and in tools."""

    name: str
    module: str
    """The Go module that has its manifests."""
    api: str
    """The APIService that it answers."""


METRICS_SERVER = Controller("metrics-server", "sigs.k8s.io/metrics-server", "v1beta1.metrics.k8s.io")
KEDA = Controller("keda", "github.com/kedacore/keda/v2", "v1beta1.external.metrics.k8s.io")


@contextmanager
def running(kubectl: Kubectl, *controllers: Controller) -> Iterator[None]:
    """The cluster with the controllers, answering."""
    lacking = [one for one in controllers if not _is_there(kubectl, one)]
    manifests = [_manifests(kubectl, one) for one in lacking]
    try:
        for made in manifests:
            # Descriptions of KEDA's kinds are longer than what `apply` keeps in an annotation.
            kubectl.run("apply", "--server-side", "--filename=-", given=made)
        for one in lacking:
            told = ("--for=condition=Available", f"apiservice/{one.api}", f"--timeout={READY_S}s")
            kubectl.run("wait", *told, within_s=READY_S + 10)
        yield
    finally:
        for made in reversed(manifests):
            told = ("--filename=-", "--ignore-not-found", f"--timeout={GONE_S}s")
            kubectl.run("delete", *told, given=made, within_s=GONE_S + 10)


def _is_there(kubectl: Kubectl, controller: Controller) -> bool:
    try:
        kubectl.get("apiservice", controller.api)
    except KubernetesError:
        return False
    return True


def _manifests(kubectl: Kubectl, controller: Controller) -> str:
    """What its kustomization here makes of its release's own."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(HERE / controller.name / "kustomization.yaml", folder)
        (Path(folder) / "upstream").symlink_to(unpacked(controller.name, controller.module))
        return kubectl.run("kustomize", folder)
