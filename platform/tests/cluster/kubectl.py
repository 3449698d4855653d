"""Kubernetes as the tests reach it: kubectl, in one namespace or none."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Object: TypeAlias = dict[str, Any]

WAIT_S = 180.0


class KubernetesError(Exception):
    """A command failed, with what it said."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Commands of kubectl. `environment` has KUBECONFIG and a PATH with kubectl and Helm on it."""

    environment: Mapping[str, str]
    namespace: str = ""
    program: str = "kubectl"

    def inside(self, namespace: str) -> Kubectl:
        """The same in another namespace."""
        return replace(self, namespace=namespace)

    def run(self, *arguments: str, given: str = "", within_s: float = WAIT_S) -> str:
        """Run a command and return what it prints. Raises KubernetesError."""
        return run(self.environment, self.program, *self._scope(), *arguments, given=given, within_s=within_s)

    async def do(self, *arguments: str, given: str = "", within_s: float = WAIT_S) -> str:
        """`run`, while clients go on."""
        return await asyncio.to_thread(self.run, *arguments, given=given, within_s=within_s)

    def get(self, *what: str) -> Object:
        """An object, or a list of them. Raises KubernetesError where it is not there."""
        found: Object = json.loads(self.run("get", *what, "--output=json"))
        return found

    def items(self, *what: str) -> list[Object]:
        """The objects of a kind."""
        listed: list[Object] = self.get(*what)["items"]
        return listed

    def version(self) -> str:
        """The cluster's version."""
        return str(json.loads(self.run("get", "--raw=/version"))["gitVersion"])

    def apply(self, *objects: Object) -> None:
        """Make objects what is given."""
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.run("apply", "--filename=-", given=given)

    def create(self, path: str, body: Object) -> Object:
        """POST an object to a path of the API, as a subresource is made. Raises KubernetesError."""
        made: Object = json.loads(self.run("create", f"--raw={path}", "--filename=-", given=json.dumps(body)))
        return made

    def pods(self, component: str) -> list[Object]:
        """The pods of a component that have not been asked to end, oldest first."""
        there = [pod for pod in self._all(component) if "deletionTimestamp" not in pod["metadata"]]
        return sorted(there, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def is_at_rest(self, component: str, replicas: int) -> bool:
        """Whether so many of its pods are ready, and no other is there or on its way out."""
        return len(self.ready(component)) == replicas == len(self._all(component))

    def ready(self, component: str) -> list[str]:
        """The names of its pods that are ready."""
        return [pod["metadata"]["name"] for pod in self.pods(component) if is_ready(pod)]

    async def until(self, what: str, holds: Callable[[], bool], within_s: float = WAIT_S) -> float:
        """Wait until something holds; how long it took. Raises KubernetesError."""
        began = time.monotonic()
        while not await asyncio.to_thread(holds):
            if time.monotonic() - began > within_s:
                raise KubernetesError(
                    f"not within {within_s:.0f} s: {what}\n{await self.do('get', 'pods,events')}"
                )
            await asyncio.sleep(0.3)
        return time.monotonic() - began

    def wait_for_kinds(self, *names: str, within_s: int = 60) -> None:
        """Wait until the API server serves the kinds of these CRDs. Raises KubernetesError."""
        # Not `condition=Established`: that one fails on a CRD so new that it has no conditions.
        served = '--for=jsonpath={.status.conditions[?(@.type=="Established")].status}=True'
        kinds, told = [f"crd/{name}" for name in names], f"--timeout={within_s}s"
        # One by one: of several it waits for the first, and fails where the others are not there then.
        for kind in kinds:
            self.run("wait", "--for=create", told, kind)
        self.run("wait", served, told, *kinds)

    def _all(self, component: str) -> list[Object]:
        return self.items("pods", f"--selector=app.kubernetes.io/component={component}")

    def _scope(self) -> tuple[str, ...]:
        return (f"--namespace={self.namespace}",) if self.namespace else ()


def is_ready(pod: Object) -> bool:
    """Whether a Service leads to the pod."""
    conditions = pod["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def run(environment: Mapping[str, str], *command: str, given: str = "", within_s: float = WAIT_S) -> str:
    """Run a command and return what it prints. Raises KubernetesError."""
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            input=given,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise KubernetesError(f"{' '.join(command)}: not done after {within_s:.0f} s") from late
    if done.returncode:
        raise KubernetesError(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout
