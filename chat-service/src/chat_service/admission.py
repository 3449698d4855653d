"""Admission: which new sockets are let in, by the limits of connections; none while the node is leaving."""

from __future__ import annotations

from aiohttp import web

from chat_service.engine import Engine, Refusal
from chat_service.http.client_address import TrustedProxies
from chat_service.identity.limits import RateLimits, address_key
from chat_service.lifecycle import Lifecycle
from chat_service.model.errors import ChatError
from chat_service.observability.metrics import Metrics
from chat_service.settings import Settings


class Admission:
    """Decides which new sockets are let in: none while closing, and within the limits of connections."""

    def __init__(
        self,
        settings: Settings,
        limits: RateLimits,
        proxies: TrustedProxies,
        lifecycle: Lifecycle,
        metrics: Metrics,
    ) -> None:
        self.engine: Engine | None = None
        self._most = settings.max_connections
        self._most_per_address = settings.max_connections_per_address
        self._limits = limits
        self._proxies = proxies
        self._lifecycle = lifecycle
        self._metrics = metrics

    def refusal(self, request: web.Request) -> Refusal | None:
        """Why `request` may not open a session; None when it may."""
        if self._lifecycle.closing:
            return Refusal(503, 3, "This node is leaving: connect again, to another one", retry_after=1)
        engine = self.engine
        address = self._proxies.client_address(request)
        if engine is not None and len(engine.sessions) >= self._most:
            self._metrics.rate_limited.labels("max_connections").inc()
            return Refusal(503, 3, "This node has as many connections as it may have", retry_after=5)
        if engine is not None and engine.sessions_from(address) >= self._most_per_address:
            self._metrics.rate_limited.labels("max_connections_per_address").inc()
            return Refusal(429, 3, "Too many connections from your address", retry_after=10)
        try:
            self._limits.check("connect_per_address", address_key(address))
        except ChatError as refusal:
            return Refusal(429, 3, refusal.message, retry_after=(refusal.retry_after_ms or 1000) / 1000)
        return None
