"""Middleware: whatever goes wrong is answered in the one error shape, and told apart in the log."""

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from chat_service.http.errors import failure
from chat_service.model.errors import ChatError, Code

log = structlog.get_logger(__name__)

_CRASHED = ChatError(
    Code.INTERNAL, "Something went wrong here, not with your request. Try again; the log has the reason."
)
_CODES = {404: Code.NOT_FOUND, 413: Code.TOO_LARGE}


@web.middleware
async def error_answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals, aiohttp's own errors and crashes into answers."""
    try:
        return await handler(request)
    except ChatError as error:
        return failure(error)
    except web.HTTPException as error:
        return error if error.status < 400 else _of_aiohttp(request, error)
    except Exception:
        log.exception("request_crashed", method=request.method)
        return failure(_CRASHED)


def _of_aiohttp(request: web.Request, error: web.HTTPException) -> web.Response:
    code = _CODES.get(error.status, Code.INVALID)
    answer = failure(ChatError(code, _message(request, error)), error.status)
    if isinstance(error, web.HTTPMethodNotAllowed):
        answer.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    return answer


def _message(request: web.Request, error: web.HTTPException) -> str:
    match error:
        case web.HTTPNotFound():
            return "There is nothing at this path. /api/docs lists what there is."
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return f"{request.method} is not possible here, only {allowed}."
        case web.HTTPRequestEntityTooLarge():
            return f"The body is too large: at most {request.client_max_size} bytes are accepted."
    return f"{error.reason}."
