"""A client of REST that holds every answer against the OpenAPI document."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import jsonschema_rs
from multidict import CIMultiDictProxy
from rest_service import Service

PASSWORD = "correct horse battery"
_API = "/api/v1"


@dataclass
class Reply:
    """An answer: its status, its headers and what its JSON says (None without a body)."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str

    @property
    def body(self) -> Any:
        """The decoded JSON."""
        return json.loads(self.text) if self.text else None

    @property
    def code(self) -> str:
        """The error's code."""
        return str(self.body["error"]["code"])


class Document:
    """The OpenAPI document that a service publishes, and whether its answers are as it says."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.seen: set[tuple[str, str, str]] = set()
        self._validators: dict[str, jsonschema_rs.Validator] = {}
        self._paths = [
            (re.compile(re.sub(r"{\w+}", "[^/]+", path)), path, operations)
            # Paths without parameters first: that is how they are routed.
            for path, operations in sorted(document["paths"].items(), key=lambda item: "{" in item[0])
        ]

    def check(self, method: str, path: str, reply: Reply) -> None:
        """Fail where an answer is not what the document promises for this operation and status."""
        name, operation = self._operation(method.lower(), path)
        if operation is None:
            self._conforms({"$ref": "#/components/schemas/Failure"}, reply)
            return
        self.seen.add((method.upper(), name, str(reply.status)))
        promised = operation["responses"].get(str(reply.status))
        assert promised is not None, f"{method} {name} answered {reply.status}, undocumented: {reply.text[:300]}"
        if "content" in promised:
            self._conforms(promised["content"]["application/json"]["schema"], reply)
        else:
            assert reply.text == "", f"{method} {name} has no body in its {reply.status}: {reply.text[:300]}"

    def _operation(self, method: str, path: str) -> tuple[str, dict[str, Any] | None]:
        for pattern, name, operations in self._paths:
            if method in operations and pattern.fullmatch(path):
                return name, operations[method]
        return path, None

    def _conforms(self, schema: dict[str, Any], reply: Reply) -> None:
        assert reply.headers["Content-Type"].startswith("application/json"), reply.headers["Content-Type"]
        name = json.dumps(schema, sort_keys=True)
        if name not in self._validators:
            components = {"components": self.document["components"]}
            self._validators[name] = jsonschema_rs.validator_for({**schema, **components})
        self._validators[name].validate(reply.body)


@dataclass
class Client:
    """Talks to one service, as nobody or as whoever `token` belongs to."""

    url: str
    http: aiohttp.ClientSession
    document: Document
    token: str | None = None
    user: dict[str, Any] = field(default_factory=dict)
    signed_in: dict[str, Any] = field(default_factory=dict)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Reply:
        """Make a request below /api/v1 and check its answer against the document."""
        reply = await self.raw(method, _API + path, body, headers=headers, **options)
        self.document.check(method, (_API + path).partition("?")[0], reply)
        return reply

    async def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Reply:
        """Make any request."""
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        if body is not None:
            options["json"] = body
        async with self.http.request(method, self.url + path, headers=sent, **options) as answer:
            return Reply(answer.status, answer.headers, await answer.text())

    async def expect(self, status: int, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Make a request that must be answered with this status; return what its body says."""
        reply = await self.call(method, path, body, **options)
        assert reply.status == status, f"{method} {path}: {reply.status} {reply.text[:500]}"
        return reply.body

    async def refused(self, code: str, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Make a request that must be refused with this code; return the error."""
        reply = await self.call(method, path, body, **options)
        assert reply.status >= 400, f"{method} {path}: {reply.status} {reply.text[:500]}"
        assert reply.code == code, f"{method} {path}: {reply.text[:500]}"
        return reply.body["error"]

    def as_(self, signed_in: dict[str, Any]) -> Client:
        """The same service, as somebody."""
        return Client(self.url, self.http, self.document, signed_in["access_token"], signed_in["user"], signed_in)


@asynccontextmanager
async def client_of(service: Service) -> AsyncIterator[Client]:
    """A client of `service` that is not signed in."""
    url = f"http://{service.host}:{service.port}"
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{url}{_API}/openapi.json") as answer:
            document = Document(await answer.json())
        yield Client(url, http, document)


_numbers = itertools.count(1)


async def somebody(nobody: Client, username: str | None = None) -> Client:
    """Register somebody new and return their client."""
    username = username or f"person{next(_numbers)}"
    body = {"username": username, "password": PASSWORD, "name": username.capitalize()}
    return nobody.as_(await nobody.expect(201, "POST", "/auth/register", body))


async def a_guest(nobody: Client, name: str = "Passing") -> Client:
    """Come in as a guest and return their client."""
    return nobody.as_(await nobody.expect(201, "POST", "/auth/guest", {"name": name}))


async def an_admin(service: Service, nobody: Client) -> Client:
    """Make an administrator of the service, as its command line does, and return their client."""
    await service.heart.identity.accounts.create("root", "Root", PASSWORD, admin=True)
    right = {"username": "root", "password": PASSWORD}
    return nobody.as_(await nobody.expect(200, "POST", "/auth/sign-in", right))


async def a_channel(owner: Client, **options: Any) -> str:
    """Make a channel and return its id."""
    made = await owner.expect(201, "POST", "/rooms", {"name": "general", "visibility": "public", **options})
    return str(made["room"])
