"""Middleware: which other origins' pages may use REST. Tokens go in a header, so no cookies are allowed."""

from collections.abc import Collection

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

_METHODS = "GET, POST, PUT, PATCH, DELETE"
_ACCEPTED = "Authorization, Content-Type, Idempotency-Key"
_EXPOSED = "Retry-After, X-Request-Id"
_PREFLIGHT_S = "600"


def cors(origins: Collection[str]) -> Middleware:
    """Make the middleware; to an origin that is not among `origins` the answer gives no permission."""
    any_origin = "*" in origins
    allowed = {origin.rstrip("/").lower() for origin in origins}

    @web.middleware
    async def shared(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get(hdrs.ORIGIN)
        preflight = request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        answer = web.Response(status=204) if origin and preflight else await handler(request)
        if not any_origin:
            answer.headers.add(hdrs.VARY, hdrs.ORIGIN)
        if origin is None or not (any_origin or origin.lower() in allowed):
            return answer
        answer.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*" if any_origin else origin
        answer.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED
        if preflight:
            answer.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = _METHODS
            answer.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = _ACCEPTED
            answer.headers[hdrs.ACCESS_CONTROL_MAX_AGE] = _PREFLIGHT_S
        return answer

    return shared
