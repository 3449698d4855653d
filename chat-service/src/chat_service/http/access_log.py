"""Middleware: every request has an id, which is in its answer and its log lines, and one line of its own."""

import re
import secrets
import time

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from chat_service.http.client_address import TrustedProxies

log = structlog.get_logger(__name__)

REQUEST_ID = "X-Request-Id"
QUIET = frozenset({"/livez", "/readyz", "/startupz"})
"""Asked every few seconds by whatever watches the node: logged at `debug`."""

USER: web.RequestKey[str] = web.RequestKey("user", str)
"""Who turned out to have made the request."""

_SOUND_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def access_log(proxies: TrustedProxies) -> Middleware:
    """Make the middleware. A request id that a trusted proxy made is kept, anybody else's is replaced."""

    @web.middleware
    async def logged(request: web.Request, handler: Handler) -> web.StreamResponse:
        asked = request.headers.get(REQUEST_ID, "")
        keep = proxies.trusts(request) and _SOUND_ID.fullmatch(asked)
        request_id = asked if keep else secrets.token_hex(8)
        started = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            answer = await handler(request)
            answer.headers[REQUEST_ID] = request_id
            line = log.debug if request.path in QUIET else log.info
            line(
                "request",
                method=request.method,
                route=_route(request),
                status=answer.status,
                duration_ms=round((time.monotonic() - started) * 1000, 1),
                address=proxies.client_address(request),
                user=request.get(USER),
            )
            return answer

    return logged


def _route(request: web.Request) -> str:
    """The path as declared: a path itself can hold an invite's token, and a query what somebody looks for."""
    resource = request.match_info.route.resource
    return "unknown" if resource is None else resource.canonical
