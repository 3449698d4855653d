"""Probes do what they say: degraded is not gone, hung is restarted, draining takes no new client."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from cluster import backends
from cluster.release import CLUSTER, NAME, Entrance, Release

if TYPE_CHECKING:
    from cluster.kubectl import Kubectl

DRAIN_S = 12
GATEWAYS = "--selector=app.kubernetes.io/component=gateway"

RESTART_S = 60.0
"""Three failed probes, ten seconds apart and slow to fail, and the short grace of a hung process."""

STOP = """
import os, pathlib, signal
for place in pathlib.Path("/proc").glob("[0-9]*"):
    if b"chat-service\\0serve" in (place / "cmdline").read_bytes():
        os.kill(int(place.name), signal.SIGSTOP)
"""


@pytest.fixture(scope="module")
def release(kubectl: Kubectl, backend_images: str) -> Release:
    """Two gateways, whose pods a test may look into."""
    assert backend_images
    backends.start(kubectl)
    made = Release(kubectl, (*CLUSTER, "--set=gateway.replicas=2", f"--set=drainSeconds={DRAIN_S}"))
    made.install()
    made.open_edge()
    return made


async def test_without_its_store_a_gateway_stays_and_says_so(release: Release) -> None:
    kubectl = release.kubectl
    before = kubectl.ready("gateway")
    await kubectl.do("scale", "statefulset/mongodb", "--replicas=0")
    await kubectl.until("MongoDB is gone", lambda: not kubectl.items("pods", "--selector=app=mongodb"))
    told: dict[str, Any] = {}
    until = time.monotonic() + 25  # longer than readiness takes to fail
    while time.monotonic() < until:
        status, told = await _readyz(release)
        assert status == 200
        await asyncio.sleep(1)
    assert told["status"] == "degraded"
    assert kubectl.ready("gateway") == before
    assert len(_endpoints(kubectl)) == len(before)
    await kubectl.do("scale", "statefulset/mongodb", "--replicas=1")
    await kubectl.do("rollout", "status", "statefulset/mongodb", "--timeout=120s")
    await kubectl.until("it is whole again", lambda: _whole(release), within_s=60)
    assert _restarts(kubectl) == 0


async def test_a_process_that_hangs_is_restarted(release: Release) -> None:
    kubectl = release.kubectl
    # The first process of a container cannot be stopped from inside: here it is not the first.
    await kubectl.do(
        "patch", release.workload, '--patch={"spec":{"template":{"spec":{"shareProcessNamespace":true}}}}'
    )
    await kubectl.do("rollout", "status", release.workload, "--timeout=180s")
    await kubectl.until("the old ones are gone", lambda: len(kubectl.items("pods", GATEWAYS)) == 2)
    pod = kubectl.ready("gateway")[0]
    await kubectl.do("exec", pod, "--", "python3", "-c", STOP)
    took_s = await kubectl.until("it is restarted", lambda: _restarts(kubectl) == 1, within_s=120)
    assert took_s < RESTART_S
    await kubectl.until("it serves again", lambda: len(kubectl.ready("gateway")) == 2)


async def test_a_gateway_that_drains_takes_no_new_client(release: Release) -> None:
    kubectl = release.kubectl
    leaving, staying = kubectl.ready("gateway")
    address = kubectl.get("pod", leaving)["status"]["podIP"]
    await kubectl.do("delete", "pod", leaving, "--wait=false")
    await kubectl.until("no Service leads to it", lambda: address not in _endpoints(kubectl), within_s=10)
    for _ in range(20):
        status, _told = await _readyz(release)
        assert status == 200
    await kubectl.until("it is gone", lambda: leaving not in kubectl.run("get", "pods"), within_s=DRAIN_S + 40)
    assert staying in kubectl.ready("gateway")


async def _readyz(release: Release) -> tuple[int, dict[str, Any]]:
    url = f"{Entrance(release).url_of(NAME)}/readyz"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return answer.status, json.loads(await answer.read())


def _whole(release: Release) -> bool:
    return bool(asyncio.run(_readyz(release))[1]["status"] == "ok")


def _endpoints(kubectl: Kubectl) -> set[str]:
    slices = kubectl.items("endpointslices", f"--selector=kubernetes.io/service-name={NAME}")
    endpoints = [one for piece in slices for one in piece.get("endpoints") or []]
    return {address for one in endpoints if one["conditions"].get("ready") for address in one["addresses"]}


def _restarts(kubectl: Kubectl) -> int:
    return sum(pod["status"]["containerStatuses"][0]["restartCount"] for pod in kubectl.pods("gateway"))
