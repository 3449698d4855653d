"""Which web pages may use the server: the Origin header and the CORS headers of answers."""

from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import web

_PREFLIGHT_SECONDS = 600


class Origins:
    """The web origins whose pages may open sessions, besides the server's own."""

    __slots__ = ("_allowed", "_any")

    def __init__(self, allowed: Collection[str]) -> None:
        """Allow the origins in `allowed`, all of them where it holds `*`."""
        self._any = "*" in allowed
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)

    def allow(self, request: web.Request) -> bool:
        """Whether the request comes from an allowed page, or from no page at all."""
        origin = request.headers.get("Origin")
        return origin is None or self._any or self._listed(origin) or self._own(request, origin)

    def headers(self, request: web.Request) -> dict[str, str]:
        """Return the CORS headers for an answer to `request`, none where no page asked."""
        origin = request.headers.get("Origin")
        if origin is None or not self.allow(request):
            return {}
        if self._any:
            headers = {"Access-Control-Allow-Origin": "*"}
        else:
            # Pages of listed origins may send the cookie that keeps a client on one node.
            headers = {
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Allow-Credentials": "true",
                "Vary": "Origin",
            }
        if request.method == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = "GET, POST"
            headers["Access-Control-Max-Age"] = str(_PREFLIGHT_SECONDS)
            asked = request.headers.get("Access-Control-Request-Headers")
            if asked:
                headers["Access-Control-Allow-Headers"] = asked
        return headers

    def _listed(self, origin: str) -> bool:
        return origin.lower() in self._allowed

    @staticmethod
    def _own(request: web.Request, origin: str) -> bool:
        # Only the host is compared: behind a proxy that ends TLS the schemes differ.
        try:
            return urlsplit(origin).netloc.lower() == request.host.lower()
        except ValueError:
            return False
