"""Broken HTTP: what cannot be parsed is answered in the one error shape, what never ends is cut off."""

import asyncio
import weakref

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from chat_service.http.errors import failure
from chat_service.http.security_headers import HEADERS
from chat_service.model.errors import ChatError, Code

HEAD_TIMEOUT_S = 20.0
"""How long a new connection may take to send its first request's head; aiohttp itself would wait for ever."""

log = structlog.get_logger(__name__)


class HttpRunner(web.AppRunner):
    """Runs the application as aiohttp's own runner does, but for requests that are no HTTP.

    aiohttp answers those in plain text and logs each with a traceback: anybody could fill the log.
    """

    __slots__ = ()

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        return _Server(server.request_handler, request_factory=server.request_factory, **self._kwargs)


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _RequestHandler(self, loop=self._loop, **self._kwargs)


class _RequestHandler(web.RequestHandler):
    __slots__ = ("__weakref__",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._loop.call_later(HEAD_TIMEOUT_S, _give_up, weakref.ref(self), transport)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what the parser refused; everything else is aiohttp's to report."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        log.debug("request_unreadable", status=status, problem=type(exc).__name__)
        answer = failure(ChatError(Code.INVALID, f"This is not an HTTP request ({type(exc).__name__})."), status)
        answer.headers.update(HEADERS)
        answer.force_close()
        return answer

    @property
    def heard_nothing(self) -> bool:
        """Whether not one request has arrived whole."""
        return not self._request_count


def _give_up(handler: "weakref.ref[_RequestHandler]", transport: asyncio.BaseTransport) -> None:
    # A connection that became a WebSocket has another protocol by now.
    waiting = handler()
    if waiting is None or transport.is_closing() or transport.get_protocol() is not waiting:
        return
    if waiting.heard_nothing:
        transport.close()
