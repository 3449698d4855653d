"""Three gateways and a worker on MongoDB and Redis: whatever is done to the pods, people lose nothing."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from cluster import backends
from cluster.images import SERVICE
from cluster.kubectl import KubernetesError
from cluster.load import TIMED, under_load
from cluster.release import CLUSTER, NAME, Release

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chaos.gathering import Gathering

    from cluster.kubectl import Kubectl
    from cluster.load import Noticed

GATEWAYS = 3

MIGRATION = "next version"
APPLIED = """
import json, pathlib, pymongo
client = pymongo.MongoClient(pathlib.Path("/secrets/mongodb/uri").read_text())
print(json.dumps([one["_id"] for one in client.get_default_database()["migrations"].find()]))
"""


@pytest.fixture(scope="module")
def release(kubectl: Kubectl, backend_images: str) -> Release:
    """The chart in cluster mode."""
    assert backend_images
    backends.start(kubectl)
    made = Release(kubectl, CLUSTER)
    made.install()
    made.open_edge()
    return made


@pytest.fixture
async def whole(release: Release) -> Release:
    """The release with all of its gateways ready."""
    await release.kubectl.until("three gateways serve", lambda: len(release.kubectl.ready("gateway")) == GATEWAYS)
    return release


async def told(
    release: Release, about: str, done: Callable[[Gathering], Awaitable[None]], report: Callable[[Noticed], None]
) -> Noticed:
    """Load while something is done; what was noticed goes into the report."""
    noticed = await under_load(release, about, done)
    report(noticed)
    return noticed


def test_three_gateways_and_a_worker_serve(release: Release) -> None:
    assert len(release.kubectl.ready("gateway")) == GATEWAYS
    assert len(release.kubectl.ready("worker")) == 1
    release.helm("test", NAME, "--timeout=3m")


async def test_a_rolling_update_loses_nothing(whole: Release, report: Callable[[Noticed], None]) -> None:
    async def update(_: Gathering) -> None:
        await whole.upgrade("--set=gateway.podAnnotations.tried=again")

    noticed = await told(whole, "rolling update", update, report)
    assert noticed.broken <= TIMED
    assert noticed.reconnects > 0
    names = whole.kubectl.ready("gateway")
    assert all(whole.kubectl.get("pod", name)["metadata"]["annotations"]["tried"] == "again" for name in names)


async def test_a_version_with_a_migration_and_back(
    whole: Release, next_image: str, report: Callable[[Noticed], None]
) -> None:
    before = _migrations(whole.kubectl)
    assert MIGRATION not in before

    async def there_and_back(_: Gathering) -> None:
        revision = len(json.loads(whole.helm("history", NAME, "--output=json")))
        await whole.upgrade(f"--set=image.tag={next_image.rpartition(':')[2]}")
        assert set(_migrations(whole.kubectl)) == {*before, MIGRATION}
        await asyncio.to_thread(whole.helm, "rollback", NAME, str(revision), "--wait", "--timeout=6m")

    noticed = await told(whole, "upgrade with a migration, and rollback", there_and_back, report)
    assert noticed.broken <= TIMED
    images = {pod["spec"]["containers"][0]["image"] for pod in whole.kubectl.pods("gateway")}
    assert images == {SERVICE}
    assert MIGRATION in _migrations(whole.kubectl)


async def test_pods_are_evicted_one_by_one(whole: Release, report: Callable[[Noticed], None]) -> None:
    kubectl = whole.kubectl
    refused: list[str] = []

    async def evict(_: Gathering) -> None:
        for name in kubectl.ready("gateway"):
            await asyncio.to_thread(_evict, kubectl, name)
            others = [one for one in kubectl.ready("gateway") if one != name]
            with pytest.raises(KubernetesError, match="disruption budget"):
                await asyncio.to_thread(_evict, kubectl, others[0])
            refused.append(others[0])
            await kubectl.until("the evicted pod is back", lambda: len(kubectl.ready("gateway")) == GATEWAYS)
            await kubectl.until("one more may be evicted", lambda: _allowed(kubectl) > 0)

    noticed = await told(whole, "evictions one by one", evict, report)
    assert noticed.broken <= TIMED
    assert len(refused) == GATEWAYS


async def test_a_pod_is_gone_without_a_word(whole: Release, report: Callable[[Noticed], None]) -> None:
    async def delete(_: Gathering) -> None:
        name = whole.kubectl.ready("gateway")[0]
        await whole.kubectl.do("delete", "pod", name, "--grace-period=0", "--force")
        await whole.kubectl.until("a new one is ready", lambda: len(whole.kubectl.ready("gateway")) == GATEWAYS)

    assert (await told(whole, "pod deleted by force", delete, report)).broken <= TIMED


async def test_scaling_in_and_out(whole: Release, report: Callable[[Noticed], None]) -> None:
    async def scale(_: Gathering) -> None:
        for replicas in (1, GATEWAYS + 1):
            await whole.kubectl.do("scale", whole.workload, f"--replicas={replicas}")
            await whole.kubectl.until(f"{replicas} serve", partial(whole.kubectl.is_at_rest, "gateway", replicas))

    noticed = await told(whole, "scaled 3 to 1 to 4", scale, report)
    await whole.kubectl.do("scale", whole.workload, f"--replicas={GATEWAYS}")
    assert noticed.broken <= TIMED


async def test_a_bad_image_is_held_back(whole: Release, report: Callable[[Noticed], None]) -> None:
    # It starts and never serves: its store is nowhere.
    bad = '{"name":"chat","env":[{"name":"CHAT_PORT","value":"1"}]}'
    patch = f'{{"spec":{{"template":{{"spec":{{"containers":[{bad}]}}}}}}}}'

    async def update(_: Gathering) -> None:
        await whole.kubectl.do("patch", whole.workload, f"--patch={patch}")
        await asyncio.sleep(20)
        assert len(whole.kubectl.ready("gateway")) == GATEWAYS
        await whole.kubectl.do("rollout", "undo", whole.workload)
        await whole.kubectl.do("rollout", "status", whole.workload, "--timeout=120s")

    noticed = await told(whole, "bad version held back", update, report)
    assert noticed.broken <= TIMED
    assert noticed.reconnects == 0


async def test_the_bus_goes_and_comes_back(whole: Release, report: Callable[[Noticed], None]) -> None:
    async def delete(_: Gathering) -> None:
        await whole.kubectl.do("delete", "pod", "--selector=app=redis", "--grace-period=0", "--force")
        await whole.kubectl.do("rollout", "status", "deployment/redis", "--timeout=120s")

    assert (await told(whole, "Redis pod deleted", delete, report)).broken <= TIMED
    assert len(whole.kubectl.ready("gateway")) == GATEWAYS


async def test_the_store_goes_and_comes_back(whole: Release, report: Callable[[Noticed], None]) -> None:
    async def delete(_: Gathering) -> None:
        await whole.kubectl.do("delete", "pod", "mongodb-0")
        await whole.kubectl.do("rollout", "status", "statefulset/mongodb", "--timeout=120s")

    noticed = await told(whole, "MongoDB pod deleted", delete, report)
    assert noticed.broken <= TIMED
    assert len(whole.kubectl.ready("gateway")) == GATEWAYS


def _evict(kubectl: Kubectl, pod: str) -> None:
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": kubectl.namespace},
    }
    kubectl.create(f"/api/v1/namespaces/{kubectl.namespace}/pods/{pod}/eviction", eviction)


def _allowed(kubectl: Kubectl) -> int:
    budget = kubectl.get("poddisruptionbudget", f"{NAME}-gateway")
    return int(budget["status"].get("disruptionsAllowed", 0))


def _migrations(kubectl: Kubectl) -> list[str]:
    """The names of the migrations that the store has had."""
    names: list[str] = json.loads(kubectl.run("exec", kubectl.ready("gateway")[0], "--", "python3", "-c", APPLIED))
    return names
