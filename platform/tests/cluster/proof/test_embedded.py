"""The embedded mode through its life: installed, updated, rolled back, its pod lost, uninstalled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cluster.load import TIMED, under_load
from cluster.release import NAME, Release

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.gathering import Gathering

    from cluster.load import Noticed


async def test_what_was_said_survives_the_pod(release: Release, report: Callable[[Noticed], None]) -> None:
    async def delete(_: Gathering) -> None:
        uid = release.kubectl.get("pod", f"{NAME}-0")["metadata"]["uid"]
        await release.kubectl.do("delete", "pod", f"{NAME}-0", "--grace-period=0", "--force")
        await release.kubectl.until(
            "another one is ready",
            lambda: (
                bool(release.kubectl.ready("gateway"))
                and release.kubectl.get("pod", f"{NAME}-0")["metadata"]["uid"] != uid
            ),
        )

    noticed = await under_load(release, "the only pod deleted by force", delete)
    report(noticed)
    assert noticed.broken <= TIMED
    assert noticed.reconnects >= noticed.result.clients


async def test_an_update_and_its_rollback_lose_nothing(
    release: Release, report: Callable[[Noticed], None]
) -> None:
    async def there_and_back(_: Gathering) -> None:
        await release.upgrade("--set=gateway.podAnnotations.tried=again")
        await asyncio.to_thread(release.helm, "rollback", NAME, "1", "--wait", "--timeout=6m")

    noticed = await under_load(release, "update and rollback of one pod", there_and_back)
    report(noticed)
    assert noticed.broken <= TIMED
    pod = release.kubectl.get("pod", f"{NAME}-0")
    assert "tried" not in pod["metadata"]["annotations"]
