"""A whole service behind a real port, on a real SQLite file: what the tests of REST talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from argon2 import PasswordHasher

from chat_service.app import Heart, open_heart
from chat_service.http.application import HttpDependencies, build
from chat_service.http.client_address import TrustedProxies
from chat_service.http.health import Dependency, Phase
from chat_service.http.rate_limits import REST_PER_ADDRESS, SEARCH_PER_USER, SEND_PER_USER
from chat_service.http.wire_errors import HttpRunner
from chat_service.identity.limits import RateLimits
from chat_service.observability.metrics import Metrics
from chat_service.rate import Rate
from chat_service.settings import Settings

PLENTY = Rate(1_000_000, 1, 1_000_000)
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Real passwords take 64 MiB each, on purpose; how they are hashed is not what these tests are about."""


@dataclass
class StubHealth:
    """Health as a test sets it."""

    phase: Phase = Phase.SERVING
    dependencies: dict[str, Dependency] = field(default_factory=lambda: {"store": Dependency(up=True)})


@dataclass
class Service:
    """A running service; `host` and `port` are where it listens."""

    host: str
    port: int
    heart: Heart
    health: StubHealth
    application: web.Application


@asynccontextmanager
async def running(folder: Path, **changed: Any) -> AsyncIterator[Service]:
    """Run a service in `folder` with these settings changed; rates are out of the way unless changed."""
    generous = {
        "data_dir": folder,
        "rate_rest_per_address": PLENTY,
        "rate_send_per_user": PLENTY,
        "rate_search_per_user": PLENTY,
        "signin_attempts": PLENTY,
        "register_attempts": PLENTY,
    }
    settings = Settings(**{**generous, **changed})
    heart = await open_heart(settings, Metrics(), exclusive=True)
    heart.identity._passwords._hasher = QUICK
    await heart.identity.start()
    await heart.rooms.start()
    await heart.indexer.start()
    health = StubHealth()
    rates = {
        REST_PER_ADDRESS: settings.rate_rest_per_address,
        SEARCH_PER_USER: settings.rate_search_per_user,
        SEND_PER_USER: settings.rate_send_per_user,
    }
    application = build(
        HttpDependencies(
            settings=settings,
            identity=heart.identity,
            rooms=heart.rooms,
            filing=heart.filing,
            searching=heart.searching,
            webhooks=heart.background.webhooks,
            limits=RateLimits(rates),
            proxies=TrustedProxies(settings.trusted_proxies),
            health=health,
            version="0.0.test",
        )
    )
    runner = HttpRunner(application, access_log=None, shutdown_timeout=1)
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield Service("127.0.0.1", int(runner.addresses[0][1]), heart, health, application)
    finally:
        await runner.cleanup()
        await heart.rooms.finish()
        await heart.rooms.stop()
        await heart.identity.stop()
        await heart.stores.database.close()
