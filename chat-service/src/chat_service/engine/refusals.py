"""Refused requests, in the words and codes of the reference server."""

import math
from dataclasses import dataclass

import msgspec
from aiohttp import web


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP error: its status, the reference server's error code, and its message.

    retry_after: seconds after which trying again makes sense, None where it never does.
    """

    status: int
    code: int
    message: str
    retry_after: float | None = None

    def response(self) -> web.Response:
        """Return the response that says so in JSON: `{"code": …, "message": …}`."""
        headers = {"Cache-Control": "no-store"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(math.ceil(self.retry_after))
        return web.Response(
            status=self.status,
            body=msgspec.json.encode({"code": self.code, "message": self.message}),
            content_type="application/json",
            headers=headers,
        )


# Codes 0 to 5 and their words are those of the reference server (engine.io, lib/server.ts).
UNKNOWN_TRANSPORT = Refusal(400, 0, "Transport unknown")
UNKNOWN_SESSION = Refusal(400, 1, "Session ID unknown")
BAD_METHOD = Refusal(400, 2, "Bad handshake method")
BAD_REQUEST = Refusal(400, 3, "Bad request")
FORBIDDEN_ORIGIN = Refusal(403, 4, "Forbidden")
UNSUPPORTED_VERSION = Refusal(400, 5, "Unsupported protocol version")
SHUTTING_DOWN = Refusal(503, 3, "Server is shutting down", retry_after=1)
TOO_LARGE = Refusal(413, 3, "Payload too large")


class RequestRefusedError(Exception):
    """A request that is answered with `refusal`."""

    def __init__(self, refusal: Refusal) -> None:
        """Hold the refusal."""
        super().__init__(refusal.message)
        self.refusal = refusal
