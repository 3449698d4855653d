"""The typed errors that every edge of the service answers with.

An error is raised where its rule is and translated once, at the edge: `http` turns it into a status and a
JSON body, `realtime` into an acknowledgement. Its code is part of the protocol; its message is for people.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """What went wrong, in a word that programs may rely on."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    KEY_REUSED = "key_reused"
    TOO_LARGE = "too_large"
    QUOTA_EXCEEDED = "quota_exceeded"
    RATE_LIMITED = "rate_limited"
    ABORTED = "aborted"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    DRAINING = "draining"
    INTERNAL = "internal"


RETRYABLE = frozenset(
    {Code.RATE_LIMITED, Code.ABORTED, Code.OVERLOADED, Code.UNAVAILABLE, Code.DRAINING, Code.INTERNAL}
)
"""Codes after which the same request, with the same idempotency key, may be sent again."""


class ChatError(Exception):
    """A refusal that the caller is told about.

    `message` says what was expected, what came and what to do. `retry_after_ms`, where known, is how long
    to wait before the same request is worth sending again.
    """

    def __init__(self, code: Code, message: str, *, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms

    @property
    def retryable(self) -> bool:
        """Whether sending the same request again can succeed without a change to it."""
        return self.code in RETRYABLE

    def as_dict(self) -> dict[str, Any]:
        """The one error shape of REST and sockets: {code, message, retryable, retry_after_ms?}."""
        shape: dict[str, Any] = {
            "code": str(self.code),
            "message": self.message,
            "retryable": self.retryable,
        }
        if self.retry_after_ms is not None:
            shape["retry_after_ms"] = self.retry_after_ms
        return shape


class LastingError(ChatError):
    """A refusal that nothing which may yet be appended to the room can lift."""


def invalid(message: str) -> ChatError:
    """The request itself is malformed; sending it again cannot help."""
    return ChatError(Code.INVALID, message)


def forbidden(message: str) -> ChatError:
    """The caller is known and may not do this."""
    return ChatError(Code.FORBIDDEN, message)


def not_found(message: str) -> ChatError:
    """What was asked for does not exist, or the caller may not know that it does."""
    return ChatError(Code.NOT_FOUND, message)


def unavailable(message: str, retry_after_ms: int = 1000) -> ChatError:
    """A store did not answer; the outcome of a write is unknown and its key makes a repeat safe."""
    return ChatError(Code.UNAVAILABLE, message, retry_after_ms=retry_after_ms)
