"""The bus on Redis: channels by room, by node and for everybody, spread over one or more endpoints.

Nothing is kept on Redis: it carries what happens, the log has what happened. What it loses while it is away is
read from the log.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import ssl
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import structlog

from chat_service.bus import Message, ToNode, ToRoom
from chat_service.bus.frames import SENDER_BYTES, UnreadableFrameError, decode, encode, parts
from chat_service.bus.local import LocalBus
from chat_service.bus.redis_endpoints import RedisEndpoint
from chat_service.bus.redis_link import RedisLink
from chat_service.bus.rendezvous import place
from chat_service.observability.metrics import Metrics

PLACES_KEPT = 65_536
"""Channels whose endpoint is remembered; that of others is worked out again."""

log = structlog.get_logger()


class RedisBus:
    """`Bus` over the endpoints that `endpoints()` gives: asked at each attempt to connect, so that a password
    may change; hosts and ports may not.

    `world` keeps the channels of one store apart from those of others on the same Redis.
    Raises OSError where `tls_ca` cannot be read, ValueError where there is no endpoint.
    """

    def __init__(
        self,
        endpoints: Callable[[], Sequence[RedisEndpoint]],
        *,
        node: str,
        world: str,
        metrics: Metrics,
        tls_ca: Path | None = None,
    ) -> None:
        self._node = node
        self._prefix = f"chat:{world}:".encode()
        self._metrics = metrics
        self._sender = secrets.token_bytes(SENDER_BYTES)
        self._rooms: set[str] = set()
        self._receive: Callable[[Message], None] = _nowhere
        self._watchers: list[Callable[[], None]] = []
        self._healthy = False
        # A node hears itself also where Redis is away.
        self._here = LocalBus(node=node)
        first = tuple(endpoints())
        if not first:
            raise ValueError("a bus on Redis needs an endpoint")
        tls = ssl.create_default_context(cafile=tls_ca) if any(endpoint.tls for endpoint in first) else None
        names = [endpoint.address.encode() for endpoint in first]
        self._place = lru_cache(PLACES_KEPT)(lambda channel: place(channel, names))
        self._everybody = self._prefix + b"all"
        self._mine = self._node_channel(node)
        self._links: list[RedisLink] = []
        for at, endpoint in enumerate(first):
            own = [channel for channel in (self._everybody, self._mine) if self._place(channel) == at]
            link = RedisLink(
                _Current(endpoints, endpoint),
                tls,
                # Redis takes no spaces and nothing that is not printable in a client's name.
                name=re.sub(r"[^!-~]", "_", f"chat-service.{node}"),
                own_channels=own,
                probe_channel=self._prefix + b"probe:" + self._sender.hex().encode(),
                arrived=self._arrived,
                changed=self._changed,
                failed=metrics.bus_connections_lost.inc,
            )
            self._links.append(link)
        metrics.bus_lag_seconds.set_function(lambda: max(link.lag_s for link in self._links))

    @property
    def healthy(self) -> bool:
        """See Bus: whether every endpoint is well."""
        return self._healthy

    def listen(self, receive: Callable[[Message], None]) -> None:
        """See Bus."""
        self._receive = receive
        self._here.listen(self._hand_on)

    def watch(self, changed: Callable[[], None]) -> None:
        """See Bus."""
        self._watchers.append(changed)

    async def start(self) -> None:
        """See Bus."""
        await asyncio.gather(*(link.start() for link in self._links))

    async def stop(self) -> None:
        """See Bus. What was published before is still written."""
        self._receive = _nowhere
        self._watchers.clear()
        await self._here.stop()
        await asyncio.gather(*(link.stop() for link in self._links))

    # -- messages -------------------------------------------------------------------------------------

    def publish(self, message: Message) -> None:
        """See Bus."""
        self._here.publish(message)
        channel = self._channel_of(message)
        if channel == self._mine:
            return
        link = self._links[self._place(channel)]
        for part in parts(message):
            try:
                frame = encode(self._sender, part)
            except UnreadableFrameError as problem:
                self._dropped(problem.reason)
                continue
            if not link.publish(channel, frame):
                self._dropped("unwell")

    async def subscribe(self, room: str) -> None:
        """See Bus."""
        self._rooms.add(room)
        await self._here.subscribe(room)
        channel = self._room_channel(room)
        await self._links[self._place(channel)].subscribe(channel)

    async def unsubscribe(self, room: str) -> None:
        """See Bus."""
        self._rooms.discard(room)
        await self._here.unsubscribe(room)
        channel = self._room_channel(room)
        self._links[self._place(channel)].unsubscribe(channel)

    def _channel_of(self, message: Message) -> bytes:
        if isinstance(message, ToRoom):
            return self._room_channel(message.room)
        if isinstance(message, ToNode):
            return self._node_channel(message.to_node)
        return self._everybody

    def _room_channel(self, room: str) -> bytes:
        return self._prefix + b"room:" + room.encode()

    def _node_channel(self, node: str) -> bytes:
        return self._prefix + b"node:" + node.encode()

    def _arrived(self, frame: bytes) -> None:
        try:
            message = decode(frame, self._sender)
        except UnreadableFrameError as problem:
            self._dropped(problem.reason)
            return
        if message is None:
            return
        if isinstance(message, ToRoom) and message.room not in self._rooms:
            return
        if isinstance(message, ToNode) and message.to_node != self._node:
            return
        self._hand_on(message)

    def _hand_on(self, message: Message) -> None:
        try:
            self._receive(message)
        except Exception:  # a defect of ours must not cost everybody the connection
            log.exception("bus.message_failed", message_type=type(message).__name__)

    # -- health ---------------------------------------------------------------------------------------

    def _changed(self) -> None:
        healthy = all(link.well for link in self._links)
        if healthy != self._healthy:
            self._healthy = healthy
            for changed in list(self._watchers):
                changed()

    def _dropped(self, reason: str) -> None:
        self._metrics.bus_frames_dropped.labels(reason).inc()


class _Current:
    """An endpoint as it is now: of the same address, with the password of today."""

    def __init__(self, endpoints: Callable[[], Sequence[RedisEndpoint]], first: RedisEndpoint) -> None:
        self._endpoints = endpoints
        self._last = first

    def __call__(self) -> RedisEndpoint:
        try:
            for endpoint in self._endpoints():
                if endpoint.address == self._last.address:
                    self._last = endpoint
        except ValueError as problem:
            log.warning("bus.endpoints_unreadable", error=str(problem))
        return self._last


def _nowhere(message: Message) -> None:
    del message
