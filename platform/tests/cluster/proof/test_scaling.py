"""KEDA lets the gateways follow the people: out as they come, in as they go, and not at all while it is blind."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest
from chaos.clients.crowd import Size

from cluster import backends
from cluster.autoscalers.controllers import KEDA, METRICS_SERVER, running
from cluster.autoscalers.prometheus import Prometheus, watching
from cluster.images import KEDA as KEDA_IMAGE
from cluster.images import KEDA_ADAPTER as ADAPTER_IMAGE
from cluster.images import METRICS_SERVER as METRICS_SERVER_IMAGE
from cluster.images import PROMETHEUS as PROMETHEUS_IMAGE
from cluster.images import archives
from cluster.load import TIMED, under_load
from cluster.release import CLUSTER, NAME, Release

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from chaos.gathering import Gathering

    from cluster.kubectl import Kubectl
    from cluster.load import Noticed

GATEWAYS = f"{NAME}-gateway"
CONNECTIONS, MOST = 20, 4
CROWD = Size(clients=70, people=8, rooms=2, rate=2)
FEW = Size(clients=16, people=8, rooms=2, rate=2)
"""So many that one gateway is enough for them, and that each of four has some.

They say little: every gateway looks after every room, and each time FerretDB reads all that was ever said.
"""
SCALING = (
    "--set=autoscaling.by=keda",
    "--set=autoscaling.gateway.min=1",
    f"--set=autoscaling.gateway.max={MOST}",
    f"--set=autoscaling.gateway.connections={CONNECTIONS}",
    "--set=autoscaling.gateway.scaleDownAfterSeconds=30",
    # How fast this machine is decides nothing here.
    "--set=autoscaling.gateway.deliveryMs=60000",
    "--set=autoscaling.gateway.cpuPercent=400",
)
OUT_S, IN_S, BLIND_S = 180.0, 420.0, 60.0


@pytest.fixture(scope="module")
def controllers(everywhere: Kubectl, load: Callable[[Path], None]) -> Iterator[None]:
    """The cluster with KEDA and metrics-server, and an image of Prometheus."""
    for archive in archives(KEDA_IMAGE, ADAPTER_IMAGE, METRICS_SERVER_IMAGE, PROMETHEUS_IMAGE):
        load(archive)
    with running(everywhere, METRICS_SERVER, KEDA):
        yield


@pytest.fixture(scope="module")
def prometheus(controllers: None, kubectl: Kubectl) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the pods of the namespace; it and the controllers outlive what they scale."""
    assert controllers is None
    with watching(kubectl) as made:
        yield made


@pytest.fixture(scope="module")
def release(prometheus: Prometheus, kubectl: Kubectl, backend_images: str) -> Release:
    """The chart in cluster mode, scaled by KEDA, which has all of its metrics."""
    assert backend_images
    backends.start(kubectl)
    made = Release(kubectl, (*CLUSTER, f"--set=autoscaling.prometheus={prometheus.url}", *SCALING))
    made.install()
    made.open_edge()
    scaled = (f"scaledobject/{GATEWAYS}", f"scaledobject/{NAME}-worker")
    kubectl.run("wait", "--for=condition=Ready", *scaled, "--timeout=60s")
    return made


async def test_it_knows_all_that_it_scales_by(release: Release) -> None:
    await release.kubectl.until("every trigger has a value", lambda: _seen(release.kubectl) == 3)
    for name in (GATEWAYS, f"{NAME}-worker"):
        await release.kubectl.do("wait", "--for=condition=ScalingActive", f"hpa/{name}", "--timeout=60s")


async def test_a_crowd_is_followed(release: Release, report: Callable[[Noticed], None]) -> None:
    noticed = await _grown(release)
    assert noticed is not None
    report(noticed)
    assert noticed.broken <= TIMED
    assert noticed.reconnects == 0


async def test_without_its_metrics_it_stays_as_it_is(
    release: Release, prometheus: Prometheus, report: Callable[[Noticed], None]
) -> None:
    """Although there are few people left."""
    kubectl = release.kubectl
    await _grown(release)
    await prometheus.go()

    async def wait(_: Gathering) -> None:
        fallback = ("--for=condition=Fallback", f"scaledobject/{GATEWAYS}", "--timeout=150s")
        await kubectl.do("wait", *fallback)
        await asyncio.sleep(BLIND_S)

    try:
        async with _sizes_of(kubectl) as sizes:
            noticed = await under_load(release, "Prometheus away", wait, size=FEW)
    finally:
        await prometheus.come()
    report(sizes.told_with(noticed))
    assert sizes.seen == [MOST]
    assert noticed.broken <= TIMED
    assert noticed.reconnects == 0


async def test_few_people_are_led_together(release: Release, report: Callable[[Noticed], None]) -> None:
    await _grown(release)
    async with _sizes_of(release.kubectl) as sizes:

        async def wait(_: Gathering) -> None:
            await sizes.until(1, IN_S)

        noticed = await under_load(release, "scaled in by KEDA", wait, size=FEW)
    report(sizes.told_with(noticed))
    assert sizes.seen == [4, 3, 2, 1]
    assert noticed.broken <= TIMED
    assert noticed.reconnects > 0


async def _grown(release: Release) -> Noticed | None:
    """Have a crowd come and go where there are not already as many gateways as it needs."""
    if len(release.kubectl.ready("gateway")) == MOST:
        return None
    async with _sizes_of(release.kubectl) as sizes:

        async def wait(_: Gathering) -> None:
            await sizes.until(MOST, OUT_S)

        noticed = await under_load(release, "scaled out by KEDA", wait, size=CROWD)
    return sizes.told_with(noticed)


class _Sizes:
    """How many gateways were ready, and after how many seconds."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl
        self._began = time.monotonic()
        self._changed = asyncio.Condition()
        self._seen: list[tuple[int, float]] = []

    @property
    def seen(self) -> list[int]:
        """Each size that it came to, in order."""
        return [size for size, _ in self._seen]

    async def watch(self) -> None:
        """Look every two seconds: kubectl takes a good part of a core each time."""
        while True:
            size = len(await asyncio.to_thread(self._kubectl.ready, "gateway"))
            if self.seen[-1:] != [size]:
                async with self._changed:
                    self._seen.append((size, time.monotonic() - self._began))
                    self._changed.notify_all()
                print(f"  {size} gateways after {self._seen[-1][1]:.0f} s")
            await asyncio.sleep(2)

    async def until(self, size: int, within_s: float) -> None:
        """Wait for a size."""
        async with asyncio.timeout(within_s), self._changed:
            await self._changed.wait_for(lambda: self.seen[-1:] == [size])

    def told_with(self, noticed: Noticed) -> Noticed:
        """The same with what was seen here."""
        told = ", ".join(f"{size} after {after:.0f} s" for size, after in self._seen)
        return msgspec.structs.replace(noticed, also=f"gateways: {told}")


@asynccontextmanager
async def _sizes_of(kubectl: Kubectl) -> AsyncIterator[_Sizes]:
    sizes = _Sizes(kubectl)
    async with asyncio.TaskGroup() as group:
        watching_them = group.create_task(sizes.watch())
        yield sizes
        watching_them.cancel()


def _seen(kubectl: Kubectl) -> int:
    """How many metrics of the gateways have a value."""
    return len(kubectl.get("hpa", GATEWAYS)["status"].get("currentMetrics") or [])
