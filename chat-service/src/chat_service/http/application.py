"""The web application: routes and what surrounds them, wired from what they need."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from chat_service.http.access_log import access_log
from chat_service.http.client_address import TrustedProxies
from chat_service.http.cors import cors
from chat_service.http.endpoints import AnyEndpoint
from chat_service.http.error_answers import error_answers
from chat_service.http.health import Health, health_routes
from chat_service.http.openapi import document
from chat_service.http.pages import page_routes
from chat_service.http.rate_limits import rate_limits
from chat_service.http.resources.about import About, AboutResource
from chat_service.http.resources.admin import AdminResource
from chat_service.http.resources.auth import AuthResource
from chat_service.http.resources.files import FilesResource
from chat_service.http.resources.invites import InvitesResource
from chat_service.http.resources.members import MembersResource
from chat_service.http.resources.messages import MessagesResource
from chat_service.http.resources.personal import PersonalResource
from chat_service.http.resources.rooms import RoomsResource
from chat_service.http.resources.search import SearchResource
from chat_service.http.resources.users import UsersResource
from chat_service.http.resources.webhooks import WebhooksResource
from chat_service.http.routing import PREFIX, Doors, routes
from chat_service.http.security_headers import security_headers
from chat_service.identity.limits import RateLimits
from chat_service.identity.service import Identity
from chat_service.jobs.managing import Webhooks
from chat_service.rooms.filing import Filing
from chat_service.rooms.requests import FILES_MOST
from chat_service.rooms.searching import Searching
from chat_service.rooms.service import Rooms

SOCKETS = "/socket.io/"
"""What is below this path is left alone: Engine.IO answers with errors and CORS headers of its own."""


class HttpSettings(Protocol):
    """What REST reads of the settings, under the names that it has there."""

    @property
    def public_url(self) -> str | None:
        """Where people reach the service."""
        ...

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """Origins whose pages may use the service, `*` for any."""
        ...

    @property
    def max_body_bytes(self) -> int:
        """The largest body of a request."""
        ...

    @property
    def max_file_bytes(self) -> int:
        """The largest file."""
        ...

    @property
    def max_message_chars(self) -> int:
        """The longest message."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpDependencies:
    """What the application is made of. `limits` has the kinds that `rate_limits` names."""

    settings: HttpSettings
    identity: Identity
    rooms: Rooms
    filing: Filing
    searching: Searching
    webhooks: Webhooks
    limits: RateLimits
    proxies: TrustedProxies
    health: Health
    version: str


def build(dependencies: HttpDependencies) -> web.Application:
    """Wire the application; sockets are attached to it by whoever has them. `wire_errors` runs it."""
    settings, proxies = dependencies.settings, dependencies.proxies
    endpoints = _endpoints(dependencies)
    surroundings = (
        access_log(proxies),
        security_headers(settings.public_url),
        cors(settings.cors_origins),
        error_answers,
        rate_limits(dependencies.limits, proxies),
    )
    application = web.Application(
        client_max_size=settings.max_body_bytes, middlewares=[_around_rest(surroundings)]
    )
    described = document(endpoints, prefix=PREFIX, version=dependencies.version, title="Chat")
    application.add_routes(page_routes(described, dependencies.version))
    application.add_routes(health_routes(dependencies.health))
    application.add_routes(routes(endpoints, Doors(dependencies.identity.sessions, dependencies.limits, proxies)))
    return application


def _endpoints(dependencies: HttpDependencies) -> tuple[AnyEndpoint, ...]:
    identity, rooms = dependencies.identity, dependencies.rooms
    return (
        *AboutResource(_about(dependencies)).endpoints(),
        *AuthResource(identity.accounts, identity.sessions).endpoints(),
        *UsersResource(identity.accounts, identity.profiles, rooms.personal.renamed).endpoints(),
        *RoomsResource(rooms).endpoints(),
        *MembersResource(rooms, identity.profiles).endpoints(),
        *PersonalResource(rooms).endpoints(),
        *InvitesResource(identity.invites, rooms).endpoints(),
        *MessagesResource(rooms, dependencies.settings.max_message_chars).endpoints(),
        *SearchResource(dependencies.searching, dependencies.limits).endpoints(),
        *FilesResource(dependencies.filing).endpoints(),
        *WebhooksResource(dependencies.webhooks).endpoints(),
        *AdminResource(identity, rooms).endpoints(),
    )


def _about(dependencies: HttpDependencies) -> About:
    policy = dependencies.identity.accounts.policy
    return About(
        version=dependencies.version,
        registration=policy.registration,
        guests=policy.guests,
        max_message_chars=dependencies.settings.max_message_chars,
        max_file_bytes=dependencies.settings.max_file_bytes,
        max_files_per_message=FILES_MOST,
    )


def _around_rest(surroundings: Sequence[Middleware]) -> Middleware:
    """All of `surroundings`, the first outermost, around everything but sockets."""

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(SOCKETS):
            for middleware in reversed(surroundings):
                handler = partial(middleware, handler=handler)
        return await handler(request)

    return around
