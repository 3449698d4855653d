"""The one error shape of REST: what a refusal looks like, and the status that each code has."""

import math

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from chat_service.model.errors import ChatError, Code

STATUS = {
    Code.INVALID: 400,
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.CONFLICT: 409,
    Code.ABORTED: 409,
    Code.TOO_LARGE: 413,
    Code.QUOTA_EXCEEDED: 413,
    Code.KEY_REUSED: 422,
    Code.RATE_LIMITED: 429,
    Code.INTERNAL: 500,
    Code.OVERLOADED: 503,
    Code.UNAVAILABLE: 503,
    Code.DRAINING: 503,
}


class Problem(msgspec.Struct, kw_only=True):
    """What went wrong. `code` is for programs, `message` for people.

    `retryable` says whether the same request may be sent again, after `retry_after_ms` where that is known.
    `field` is the path to the value that was refused.
    """

    code: Code
    message: str
    retryable: bool
    retry_after_ms: int | UnsetType = UNSET
    field: str | UnsetType = UNSET


class Failure(msgspec.Struct):
    """Every answer that is not a success."""

    error: Problem


def failure(error: ChatError, status: int | None = None) -> web.Response:
    """Answer with `error`; `status` where HTTP has one that says more than the code's own."""
    headers = {}
    if error.retry_after_ms is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_ms / 1000)))
    if error.code is Code.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(
        body=msgspec.json.encode({"error": error.as_dict()}),
        status=status or STATUS[error.code],
        content_type="application/json",
        headers=headers,
    )
