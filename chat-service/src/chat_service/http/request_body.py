"""Request bodies: JSON within the size and time limits, checked against the declared type."""

import asyncio
from typing import TypeVar

from aiohttp import hdrs, web

from chat_service.model.errors import ChatError, Code
from chat_service.rooms.requests import parse_json

B = TypeVar("B")

BODY_TIMEOUT_S = 20.0
"""How long a body may take to arrive: a client that stops half-way must not hold a request open."""


async def read_body(request: web.Request, kind: type[B]) -> B:
    """Read and check the body; none at all stands for `{}`.

    Raises RequestError, `too_large`, HTTPUnsupportedMediaType, HTTPRequestTimeout, HTTPBadRequest.
    """
    raw = await _read(request)
    if not raw:
        return parse_json(b"{}", kind)
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() != "utf-8":
        raise web.HTTPUnsupportedMediaType(reason="Expected a body of Content-Type application/json in UTF-8")
    return parse_json(raw, kind)


async def _read(request: web.Request) -> bytes:
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        # A few compressed bytes can stand for more than the limit on a body.
        raise web.HTTPUnsupportedMediaType(reason="Expected a body without Content-Encoding")
    limit = request.client_max_size
    if request.content_length is not None and request.content_length > limit:
        raise ChatError(Code.TOO_LARGE, f"The body is too large: at most {limit} bytes are accepted.")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await request.read()
    except TimeoutError as late:
        reason = f"The body did not arrive within {BODY_TIMEOUT_S:g} s"
        raise web.HTTPRequestTimeout(reason=reason) from late
    except (ConnectionError, web.RequestPayloadError) as broken:
        # The client has gone or its chunks are no chunks. Said here, where it can be nobody else's connection.
        raise web.HTTPBadRequest(reason="The body could not be read to its end") from broken
