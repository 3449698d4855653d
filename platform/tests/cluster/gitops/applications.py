"""What Argo CD says of an Application, and how it is told that there is a new commit."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster.kubectl import KubernetesError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster.kubectl import Kubectl, Object

SYNC_S = 300.0
REFRESH = "argocd.argoproj.io/refresh=normal"


@dataclass(frozen=True, slots=True)
class Application:
    """An Application as it is in the cluster."""

    body: Object

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def sources(self) -> list[Object]:
        """Where what it is made of comes from."""
        spec = self.body["spec"]
        found: list[Object] = spec.get("sources") or [spec["source"]]
        return found

    @property
    def sync(self) -> str:
        """`Synced`, `OutOfSync`, or `Unknown` where what is wanted cannot be told."""
        return str(self._status.get("sync", {}).get("status", "Unknown"))

    @property
    def health(self) -> str:
        """`Healthy`, `Progressing`, `Degraded`, `Missing` or `Unknown`."""
        return str(self._status.get("health", {}).get("status", "Unknown"))

    @property
    def revision(self) -> str:
        """The commit that it was last compared with."""
        sync = self._status.get("sync", {})
        # Several sources have a list of them; where they are of one repository, as here, it is one commit.
        return str(sync.get("revision") or next(iter(sync.get("revisions", [])), ""))

    @property
    def conditions(self) -> dict[str, str]:
        """What is wrong with it: the kind of each error, and what it says."""
        return {one["type"]: one["message"] for one in self._status.get("conditions", [])}

    @property
    def phase(self) -> str:
        """How far the last sync is: `Running`, `Succeeded`, `Failed` …; empty where there was none."""
        return str(self._operation.get("phase", ""))

    @property
    def message(self) -> str:
        """What the last sync says, with what it says of each object that it did not take."""
        results = self._operation.get("syncResult", {}).get("resources", [])
        failed = [one.get("message", "") for one in results if one.get("status") == "SyncFailed"]
        return "\n".join([str(self._operation.get("message", "")), *failed])

    @property
    def is_syncing(self) -> bool:
        """Whether a sync goes on."""
        return self.phase in ("Running", "Terminating")

    @property
    def resources(self) -> list[Object]:
        """The objects that it is made of."""
        found: list[Object] = self._status.get("resources", [])
        return found

    def is_at(self, commit: str) -> bool:
        """Whether it is what a commit says, and well."""
        return (self.revision, self.sync, self.health) == (commit, "Synced", "Healthy")

    def __str__(self) -> str:
        told = [
            f"{self.name}: {self.sync} at {self.revision[:7]}, {self.health}",
            f"last sync {self.phase}: {self.message}",
            *(f"{kind}: {message}" for kind, message in self.conditions.items()),
        ]
        return "\n  ".join(told)

    @property
    def _status(self) -> Object:
        found: Object = self.body.get("status", {})
        return found

    @property
    def _operation(self) -> Object:
        found: Object = self._status.get("operationState", {})
        return found


def application(kubectl: Kubectl, name: str) -> Application:
    """One of them. Raises KubernetesError where it is not there."""
    return Application(kubectl.get("application.argoproj.io", name))


def applications(kubectl: Kubectl) -> dict[str, Application]:
    """All of them by name."""
    found = map(Application, kubectl.items("applications.argoproj.io"))
    return {one.name: one for one in found}


def notice(kubectl: Kubectl, *names: str) -> None:
    """Have Applications look at Git now, as its server's webhook does after a commit."""
    kubectl.run("annotate", "applications.argoproj.io", *names, REFRESH, "--overwrite")


def notice_clusters(kubectl: Kubectl, *names: str) -> None:
    """Have all Applications of some clusters look at Git, and at their cluster, now."""
    chosen = f"--selector=platform.chat.example.org/cluster in ({', '.join(names)})"
    kubectl.run("annotate", "applications.argoproj.io", chosen, REFRESH, "--overwrite")


def end_sync(kubectl: Kubectl, name: str) -> None:
    """End a sync that goes on, as `argocd app terminate-op` does."""
    ended = '--patch={"status":{"operationState":{"phase":"Terminating"}}}'
    kubectl.run("patch", "application.argoproj.io", name, "--type=merge", ended)


def notice_sets(kubectl: Kubectl) -> None:
    """Have the ApplicationSets look again, at the commit that an Application has been told of.

    Not by Argo CD's own annotation for it: of a set that rolls, 3.2 cannot take it away again while the set's
    status changes, and tries for minutes without a pause.
    """
    told = (f"example.org/looked-at={time.time_ns()}", "--overwrite")
    kubectl.run("annotate", "applicationsets.argoproj.io", "--all", *told)


async def until(
    kubectl: Kubectl, name: str, what: str, holds: Callable[[Application], bool], within_s: float = SYNC_S
) -> float:
    """Wait until something holds of an Application; how long it took. Raises KubernetesError with what it says."""
    began = time.monotonic()
    while not holds(seen := await asyncio.to_thread(application, kubectl, name)):
        if time.monotonic() - began > within_s:
            raise KubernetesError(f"not within {within_s:.0f} s: {name} {what}\n{seen}")
        await asyncio.sleep(1)
    return time.monotonic() - began
