"""The web client: the files that its build left in the package, served as browsers may run and keep them."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)

VIEWS = ("/", "/app", "/app/{view:.*}", "/invite/{token}")
"""Addresses that the client itself reads: all of them are its one page."""

_INDEX = "index.html"
_HASHED = "assets/"
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_FIRST = "no-cache"
_WORTH_PACKING = 1024

_TYPES = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".svg": "image/svg+xml"}
"""What `mimetypes` does not know everywhere, or knows from the machine's registry."""


@dataclass(frozen=True, slots=True)
class _File:
    """A built file as it is sent: as it is, and packed where that is smaller."""

    path: str
    content_type: str
    plain: bytes
    packed: bytes | None
    tag: str


def web_client_routes(folder: Traversable | None = None) -> list[web.RouteDef]:
    """Routes for everything in `folder`, which is the package's own; none where nothing was built."""
    built = _read(files("chat_service") / "web_client" if folder is None else folder, "")
    index = next((file for file in built if file.path == _INDEX), None)
    if index is None:
        return []
    assets = [web.get(f"/{file.path}", _sender(file)) for file in built if file is not index]
    return [*assets, *(web.get(view, _sender(index)) for view in VIEWS)]


def _read(folder: Traversable, prefix: str) -> list[_File]:
    if not folder.is_dir():
        return []
    found: list[_File] = []
    for item in sorted(folder.iterdir(), key=lambda one: one.name):
        path = prefix + item.name
        found += _read(item, f"{path}/") if item.is_dir() else [_file(path, item.read_bytes())]
    return found


def _file(path: str, plain: bytes) -> _File:
    suffix = "." + path.rpartition(".")[2]
    content_type = _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    packable = not content_type.startswith("image/") or suffix == ".svg"
    packed = gzip.compress(plain, mtime=0) if packable and len(plain) >= _WORTH_PACKING else None
    return _File(path, content_type, plain, packed, hashlib.sha256(plain).hexdigest()[:16])


def _sender(file: _File) -> Handler:
    caching = _FOR_EVER if file.path.startswith(_HASHED) else _ASK_FIRST

    async def send(request: web.Request) -> web.Response:
        known = any(one.value in {file.tag, "*"} for one in request.if_none_match or ())
        answer = web.Response(status=304) if known else _answer(file, request)
        answer.etag = file.tag
        answer.headers[hdrs.CACHE_CONTROL] = caching
        answer.headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    return send


def _answer(file: _File, request: web.Request) -> web.Response:
    packed = file.packed if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "") else None
    answer = web.Response(body=packed or file.plain, content_type=file.content_type)
    if packed is not None:
        answer.headers[hdrs.CONTENT_ENCODING] = "gzip"
    if file.content_type.startswith("text/"):
        answer.charset = "utf-8"
    return answer
