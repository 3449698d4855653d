"""Pages for people, and the document they are made from: all made once, all free of scripts."""

import hashlib
from importlib.resources import files
from typing import Any

import msgspec
from aiohttp import hdrs, web

from chat_service.http.reference import reference
from chat_service.http.web_client import web_client_routes

_POLICY = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_CACHE = "no-cache"  # a browser keeps them and asks whether they changed


def page_routes(document: dict[str, Any], version: str) -> list[web.RouteDef]:
    """The web client, the plain page about the service, the API reference with its document, the version.

    Where the client was not built its place is taken by the plain page.
    """
    static = files("chat_service.http") / "static"
    about = (static / "landing.html").read_text("utf-8").encode()
    return [
        *(web_client_routes() or [_fixed("/", about, "text/html")]),
        _fixed("/about", about, "text/html"),
        _fixed("/static/pages.css", (static / "pages.css").read_text("utf-8").encode(), "text/css"),
        _fixed("/api/docs", reference(document).encode(), "text/html"),
        _fixed("/api/v1/openapi.json", msgspec.json.encode(document), "application/json"),
        _fixed("/version", msgspec.json.encode({"version": version}), "application/json"),
    ]


def _fixed(path: str, body: bytes, content_type: str) -> web.RouteDef:
    tag = hashlib.sha256(body).hexdigest()[:16]

    async def page(request: web.Request) -> web.Response:
        if any(known.value == tag for known in request.if_none_match or ()):
            return web.Response(status=304, headers={hdrs.ETAG: f'"{tag}"', hdrs.CACHE_CONTROL: _CACHE})
        answer = web.Response(body=body, content_type=content_type)
        if content_type.startswith("text/"):
            answer.charset = "utf-8"
            answer.headers["Content-Security-Policy"] = _POLICY
        answer.etag = tag
        answer.headers[hdrs.CACHE_CONTROL] = _CACHE
        return answer

    return web.get(path, page)
