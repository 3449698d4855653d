"""A whole chat node in this process, on SQLite in a folder of its own, and the people who use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from argon2 import PasswordHasher
from wire_client import Wire, wired

from chat_service import app
from chat_service.app import Heart
from chat_service.engine import Limits
from chat_service.identity.principal import Caller
from chat_service.identity.sessions import Tokens
from chat_service.lifecycle import Lifecycle, Node, Timing
from chat_service.model.entries import Kind
from chat_service.model.rooms import Visibility
from chat_service.observability.metrics import Metrics
from chat_service.rate import Rate
from chat_service.rooms.deciding import Receipt
from chat_service.rooms.reading import Span
from chat_service.rooms.service import Rooms
from chat_service.settings import Settings

PLENTY = Rate(1_000_000, 1, 1_000_000)
HERE = Caller("127.0.0.1")


@dataclass(frozen=True)
class Person:
    """Somebody signed in: their user id and what they hold of their session."""

    id: str
    tokens: Tokens

    @property
    def token(self) -> str:
        """The access token."""
        return self.tokens.access

    @property
    def auth(self) -> dict[str, str]:
        """What CONNECT carries."""
        return {"token": self.token}


@dataclass
class ChatNode:
    """A running node; `stack` closes the clients that were opened here before it stops."""

    settings: Settings
    heart: Heart
    parts: Node
    lifecycle: Lifecycle
    http: aiohttp.ClientSession
    stack: AsyncExitStack
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def rooms(self) -> Rooms:
        """The rooms behind every door of the node."""
        return self.heart.rooms

    @property
    def url(self) -> str:
        """What an official client is pointed at."""
        return f"http://127.0.0.1:{self.lifecycle.port}"

    @property
    def legacy(self) -> Any:
        """The namespace of the original protocol."""
        return self.parts.sockets._namespaces["/"]

    # -- people ---------------------------------------------------------------------------------------

    async def person(self, handle: str) -> Person:
        """Somebody registered; the same again for the same handle."""
        if handle not in self.people:
            accounts = self.heart.identity.accounts
            tokens = await accounts.register(handle, handle.capitalize(), "correct horse battery", HERE)
            self.people[handle] = Person(tokens.principal.user, tokens)
        return self.people[handle]

    async def guest(self, name: str = "Passing") -> Person:
        """Somebody without an account."""
        tokens = await self.heart.identity.accounts.enter_as_guest(name, HERE)
        return Person(tokens.principal.user, tokens)

    async def connect(self, who: Person | str) -> Wire:
        """A connection of protocol v1, signed in."""
        person = await self.person(who) if isinstance(who, str) else who
        client = await self.wire()
        await client.connect("/chat", person.auth)
        return client

    async def enter(self) -> Wire:
        """A connection of the original protocol."""
        client = await self.wire()
        await client.connect("/")
        return client

    async def wire(self) -> Wire:
        """A connection that has joined no namespace yet."""
        return await self.stack.enter_async_context(wired(self.http, self.url))

    # -- rooms ----------------------------------------------------------------------------------------

    async def channel(self, owner: str, *members: str, public: bool = False, **options: Any) -> str:
        """A channel of `owner` with these members; its id."""
        maker = await self.person(owner)
        visibility = Visibility.PUBLIC if public else Visibility.PRIVATE
        made = await self.rooms.create_channel(maker.id, name="tea", visibility=visibility, **options)
        for member in members:
            await self.add(owner, made.room, await self.person(member))
        return made.room

    async def add(self, adder: str, room: str, person: Person, role: str = "member") -> Receipt:
        """Let somebody into a room."""
        body = {"user": person.id, "role": role}
        return await self.rooms.act((await self.person(adder)).id, room, Kind.JOIN, body)

    async def remove(self, remover: str, room: str, person: Person) -> Receipt:
        """Remove somebody from a room."""
        return await self.rooms.act((await self.person(remover)).id, room, Kind.LEAVE, {"user": person.id})

    async def say(self, who: str, room: str, *texts: str) -> list[Receipt]:
        """Write messages, not over any socket."""
        person = await self.person(who)
        return [await self.rooms.act(person.id, room, Kind.MESSAGE, {"text": text}) for text in texts]

    async def truth(self, who: str, room: str) -> list[dict[str, Any]]:
        """The newest messages of a room, folded by the service."""
        page = await self.rooms.browsing.history((await self.person(who)).id, room, Span(), 200)
        folded: list[dict[str, Any]] = msgspec.to_builtins(page.messages)
        return folded

    def left_behind(self) -> dict[str, Any]:
        """What the node still holds of connections; nothing but empty collections once all are gone."""
        rooms, chat, sockets = self.rooms, self.parts.chat, self.parts.sockets
        held = {
            "hubs": dict(rooms.delivery._hubs),
            "hubs starting": dict(rooms.delivery._starting),
            "bus subscriptions": set(rooms._bus._rooms),
            "audience readers": dict(rooms.audience._readers),
            "audience rooms": dict(rooms.audience._rooms),
            "audience members": dict(rooms.audience._members),
            "presence": dict(rooms.presence._rooms),
            "participants": dict(chat._participants),
            "connections per user": dict(chat._per_user),
            "connections": dict(sockets.manager.connections),
            "sessions": dict(sockets.engine.sessions),
        }
        if self.settings.legacy_protocol:
            held["guests"] = dict(self.legacy._guests)
            held["legacy room names"] = dict(self.legacy._dialect.room_names)
        return {what: value for what, value in held.items() if value}


@asynccontextmanager
async def running(folder: Path, **changed: Any) -> AsyncIterator[ChatNode]:
    """Run a node in `folder` with these settings changed; rates are out of the way unless changed."""
    generous: dict[str, Any] = {
        "data_dir": folder,
        "port": 0,
        "metrics_port": 0,
        "rate_send_per_user": PLENTY,
        "rate_send_per_room": PLENTY,
        "rate_events_per_address": PLENTY,
        "rate_rest_per_address": PLENTY,
        "rate_connect_per_address": PLENTY,
        "register_attempts": PLENTY,
        "max_connections_per_address": 1000,
    }
    settings = Settings(**{**generous, **changed})
    metrics = Metrics()
    timing = Timing(settings.drain_notice_s, settings.drain_close_s, settings.stop_timeout_s)
    lifecycle = Lifecycle(timing, metrics)
    heart = await app.open_heart(settings, metrics, exclusive=True)
    # Hashes as strong as in production would be most of what these tests wait for.
    heart.identity._passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patched:
        # No setting: how long a client that is gone without a word is waited for at the end.
        patched.setattr(app, "_engine_limits", partial(_short_goodbyes, app._engine_limits))
        parts = app.wire(settings, metrics, heart, lifecycle)
    stop = await lifecycle.start(parts)
    try:
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
            node = ChatNode(settings, heart, parts, lifecycle, http, stack)
            yield node
        await nothing_is_left(node)
    finally:
        await stop()


async def nothing_is_left(node: ChatNode) -> None:
    """Wait until a node whose clients have gone holds nothing of them any more."""
    loop = asyncio.get_running_loop()
    until = loop.time() + 5
    while node.left_behind() and loop.time() < until:  # noqa: ASYNC110  # looks at what has no event
        await asyncio.sleep(0.005)
    assert node.left_behind() == {}


def _short_goodbyes(usual: Callable[[Settings], Limits], settings: Settings) -> Limits:
    return replace(usual(settings), close_timeout=0.2)
