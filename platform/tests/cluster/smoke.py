"""The short proof: an embedded install, `helm test`, an update under light load, and nothing left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cluster.kubectl import KubernetesError
from cluster.load import TIMED, under_load
from cluster.release import EDGE, NAME, Release

if TYPE_CHECKING:
    from chaos.gathering import Gathering


KINDS = (
    *("statefulsets", "deployments", "jobs", "pods", "services", "configmaps", "secrets", "serviceaccounts"),
    *("persistentvolumeclaims", "networkpolicies", "poddisruptionbudgets", "controllerrevisions"),
)


def test_it_serves(release: Release) -> None:
    assert len(release.kubectl.ready("gateway")) == 1
    assert release.helm("get", "notes", NAME).count("kubectl") > 1


def test_helm_test_passes(release: Release) -> None:
    release.helm("test", NAME, "--timeout=3m")


def test_helm_test_can_fail(release: Release) -> None:
    release.install("--set=tests.fail=true")
    with pytest.raises(KubernetesError, match="must-fail"):
        release.helm("test", NAME, "--timeout=3m")
    # The pod of a failed test stays, for its log; Helm leaves it where it is.
    log = release.kubectl.run("logs", f"{NAME}-test-must-fail")
    assert "none" in log
    release.kubectl.run("delete", "pod", f"{NAME}-test-must-fail")


async def test_a_rolling_update_loses_nothing(release: Release) -> None:
    before = release.kubectl.ready("gateway")

    async def update(_: Gathering) -> None:
        await release.upgrade("--set=gateway.podAnnotations.tried=again")

    noticed = await under_load(release, "rolling update of one pod", update)
    assert noticed.broken <= TIMED
    assert noticed.reconnects >= noticed.result.clients
    pod = release.kubectl.get("pod", release.kubectl.ready("gateway")[0])
    assert pod["metadata"]["annotations"]["tried"] == "again"
    assert before


def test_uninstalling_leaves_nothing(release: Release) -> None:
    release.kubectl.run("delete", "service", EDGE)
    release.helm("uninstall", NAME, "--wait", "--timeout=2m")
    # Claims and pods end a moment after what they belong to.
    release.kubectl.run("wait", "--for=delete", f"persistentvolumeclaim/data-{NAME}-0", "--timeout=60s")
    names = {
        f"{kind}/{one['metadata']['name']}"
        for kind in KINDS
        for one in release.kubectl.items(kind)
        if one["metadata"].get("labels", {}).get("app.kubernetes.io/instance") == NAME
        or one["metadata"]["name"].startswith(("chat", "sh.helm"))
    }
    assert names == set()
