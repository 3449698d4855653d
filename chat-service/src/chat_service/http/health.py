"""Health: what probes and people ask of one node, and what it answers."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType


class Phase(StrEnum):
    """Where a node is in its life."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class Dependency(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether something the node needs answers now; `detail` says in a few words why it does not."""

    up: bool
    detail: str | UnsetType = UNSET


class Health(Protocol):
    """What the node knows of itself. Both are read from memory: a probe waits for nothing."""

    @property
    def phase(self) -> Phase:
        """Where the node is in its life."""
        ...

    @property
    def dependencies(self) -> Mapping[str, Dependency]:
        """Each thing that the node depends on, by name (`store`, `bus` …), as it was found last."""
        ...


class Readiness(msgspec.Struct, kw_only=True):
    """The answer of /readyz: `ok`, `degraded` while a dependency is down, `starting` or `draining`."""

    status: str
    dependencies: dict[str, Dependency]


def health_routes(health: Health) -> list[web.RouteDef]:
    """The three probes.

    Only starting and draining fail readiness: a store that all nodes share and that is down would otherwise
    take every node out of service at once, which helps nobody.
    """

    async def live(_request: web.Request) -> web.Response:
        return _answer(200, {"status": "ok"})

    async def ready(_request: web.Request) -> web.Response:
        readiness = Readiness(status=_status(health), dependencies=dict(health.dependencies))
        return _answer(200 if health.phase is Phase.SERVING else 503, readiness)

    async def started(_request: web.Request) -> web.Response:
        starting = health.phase is Phase.STARTING
        return _answer(503 if starting else 200, {"status": "starting" if starting else "ok"})

    return [web.get("/livez", live), web.get("/readyz", ready), web.get("/startupz", started)]


def _status(health: Health) -> str:
    if health.phase is not Phase.SERVING:
        return str(health.phase)
    return "ok" if all(dependency.up for dependency in health.dependencies.values()) else "degraded"


def _answer(status: int, body: object) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
