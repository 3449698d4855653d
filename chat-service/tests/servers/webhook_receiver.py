"""A receiver of webhooks over real HTTP that checks every signature and fails on purpose where a test says so."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Arrival:
    """One request as it came. `entry` is None for a ping; `path` tells webhooks of one receiver apart."""

    path: str
    delivery: str
    webhook: str
    event: str
    attempt: int
    timestamp: int
    entry: dict[str, Any] | None


@dataclass(frozen=True)
class Behaviour:
    """What the receiver does with a request: after `delay_s` it answers, or with `reset` cuts the connection."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    reset: bool = False
    body: bytes = b""


OK = Behaviour()


@dataclass
class Receiver:
    """Keeps what arrived, and apart from it what it `took` (answered with 200)."""

    url: str
    arrived: list[Arrival] = field(default_factory=list)
    took: list[Arrival] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    behave: Callable[[Arrival], Behaviour] = lambda _: OK
    at_once: int = 0
    most_at_once: int = 0

    def knows(self, webhook: dict[str, Any]) -> dict[str, Any]:
        """Take the secret of a webhook that was just made; returns the webhook."""
        self.secrets[webhook["id"]] = webhook["secret"]
        return webhook

    def seqs(self, room: str, path: str | None = None) -> list[int]:
        """The seqs of a room that it took, each where it was taken first."""
        found = dict.fromkeys(
            one.entry["seq"]
            for one in self.took
            if one.entry is not None and one.entry["room"] == room and path in {None, one.path}
        )
        return list(found)

    def check(self) -> None:
        """Fail where a signature was wrong, or one delivery had two ids."""
        assert not self.wrong, self.wrong
        ids: dict[tuple[str, str, int], str] = {}
        for one in self.arrived:
            if one.entry is not None:
                place = (one.webhook, one.entry["room"], one.entry["seq"])
                assert ids.setdefault(place, one.delivery) == one.delivery, one

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Take one request."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._handle(request)
        finally:
            self.at_once -= 1

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        said = json.loads(body)
        headers = request.headers
        arrival = Arrival(
            path=request.path,
            delivery=headers["webhook-id"],
            webhook=headers["chat-webhook"],
            event=headers["chat-event"],
            attempt=int(headers["chat-attempt"]),
            timestamp=int(headers["webhook-timestamp"]),
            entry=said.get("entry"),
        )
        self._verify(arrival, headers["webhook-signature"], body)
        self.arrived.append(arrival)
        behaviour = self.behave(arrival)
        await asyncio.sleep(behaviour.delay_s)
        if behaviour.reset:
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=500)
        if behaviour.status == 200:
            self.took.append(arrival)
        return web.Response(status=behaviour.status, headers=behaviour.headers, body=behaviour.body)

    def _verify(self, arrival: Arrival, signature: str, body: bytes) -> None:
        key = base64.b64decode(self.secrets[arrival.webhook].removeprefix("whsec_"))
        signed = f"{arrival.delivery}.{arrival.timestamp}.".encode() + body
        right = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        if signature != right:
            self.wrong.append(arrival.delivery)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that listens on a free port of the loopback."""
    application = web.Application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    made = Receiver("")
    application.router.add_post("/{tail:.*}", made.handle)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()
