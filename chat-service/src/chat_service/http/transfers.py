"""Transfers: bodies that are no JSON, an upload on its way in and a file on its way out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import hdrs, web

CHUNK_TIMEOUT_S = 20.0
"""How long the next piece of an upload may take: a client that stops half-way must not hold it open."""

INERT = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
"""What keeps a browser from running what somebody uploaded, and from showing it once it may not be read."""

_CHUNK_BYTES = 256 * 1024


class Upload:
    """The body of a request as it comes in. `declared` is its length, None where the client does not say."""

    def __init__(self, request: web.Request) -> None:
        self.declared = request.content_length
        self._request = request

    async def chunks(self) -> AsyncIterator[bytes]:
        """Its bytes, piece by piece. Raises HTTPRequestTimeout, HTTPBadRequest, HTTPUnsupportedMediaType."""
        if self._request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
            raise web.HTTPUnsupportedMediaType(reason="Expected a body without Content-Encoding")
        while True:
            try:
                async with asyncio.timeout(CHUNK_TIMEOUT_S):
                    chunk = await self._request.content.read(_CHUNK_BYTES)
            except TimeoutError as late:
                reason = f"The next bytes did not arrive within {CHUNK_TIMEOUT_S:g} s"
                raise web.HTTPRequestTimeout(reason=reason) from late
            except (ConnectionError, web.RequestPayloadError) as broken:
                raise web.HTTPBadRequest(reason="The body could not be read to its end") from broken
            if not chunk:
                return
            yield chunk


@dataclass(frozen=True, slots=True)
class Download:
    """A file as an answer. `tag` changes with its bytes; `inline`: a browser may show it by itself."""

    chunks: AsyncIterator[bytes]
    name: str
    type: str
    tag: str
    size: int | None = None
    inline: bool = False


async def send(request: web.Request, download: Download) -> web.Response:
    """The answer with a file, which is read piece by piece as the client takes it; 304 where it has it already."""
    tag = f'"{download.tag}"'
    headers = {**INERT, "ETag": tag}
    if tag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        return web.Response(status=304, headers=headers)
    disposition = "inline" if download.inline else "attachment"
    headers["Content-Type"] = download.type
    headers["Content-Disposition"] = f"{disposition}; filename*=UTF-8''{quote(download.name, safe='')}"
    if download.size is not None:
        headers["Content-Length"] = str(download.size)
    # Read before the answer begins: what cannot be had is still said with a status.
    first = await anext(download.chunks, b"")
    return web.Response(body=_joined(first, download.chunks), headers=headers)


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk
