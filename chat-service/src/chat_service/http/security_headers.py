"""Middleware: headers that keep a browser from doing more with an answer than it is meant for."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "chat-service",  # else aiohttp names itself, Python and their versions
}
"""What every answer has that does not say otherwise; a page has a policy of its own."""

_YEAR_S = 31_536_000


def security_headers(public_url: str | None) -> Middleware:
    """Make the middleware. HSTS is sent only where people reach the service over https."""
    headers = dict(HEADERS)
    if public_url is not None and public_url.startswith("https://"):
        headers["Strict-Transport-Security"] = f"max-age={_YEAR_S}"

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        for name, value in headers.items():
            answer.headers.setdefault(name, value)
        return answer

    return guarded
