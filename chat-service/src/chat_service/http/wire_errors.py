"""Broken HTTP: what cannot even be parsed is answered in the one error shape, and is no crash in the log."""

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from chat_service.http.errors import failure
from chat_service.http.security_headers import HEADERS
from chat_service.model.errors import ChatError, Code

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
    __slots__ = ()

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
