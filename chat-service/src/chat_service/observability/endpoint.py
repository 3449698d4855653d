"""The /metrics endpoint on a port of its own, apart from what clients reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client.exposition import choose_encoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client import CollectorRegistry


class MetricsEndpoint:
    """Serves one registry at GET /metrics, as text or, where the scraper asks, as OpenMetrics."""

    def __init__(self, registry: CollectorRegistry, routes: Sequence[web.RouteDef] = ()) -> None:
        """Prepare to serve, and `routes` beside it; nothing listens before `start`."""
        self._registry = registry
        application = web.Application()
        application.add_routes(routes)
        application.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port, which is a free one where `port` is 0. OSError if it is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})
