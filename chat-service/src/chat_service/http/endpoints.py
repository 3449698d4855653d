"""Endpoints as data: what a path takes, gives and refuses; router and OpenAPI are both made from it."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from typing import Annotated, Any, Generic, Literal, TypeVar

from msgspec import UNSET, Meta, UnsetType

from chat_service.identity.principal import Caller, Principal
from chat_service.model.errors import ChatError, Code
from chat_service.rooms.requests import (
    DeliveryId,
    Emoji,
    FileId,
    Key,
    Request,
    RequestError,
    RoomId,
    Seq,
    UserId,
    WebhookId,
)

B = TypeVar("B")
Q = TypeVar("Q")
A = TypeVar("A")

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Token = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{16,128}$", max_length=128)]
ShortId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$", max_length=64)]

PATH_PARAMETERS: dict[str, Any] = {
    "room": RoomId,
    "user": UserId,
    "seq": Seq,
    "file": FileId,
    "emoji": Emoji,
    "session": ShortId,
    "invite": ShortId,
    "webhook": WebhookId,
    "delivery": DeliveryId,
    "token": Token,
}
"""What stands for a name in braces in a path."""


class Access(StrEnum):
    """Who may call an endpoint: anybody, whoever has an access token, administrators of the service."""

    ANYBODY = "anybody"
    SIGNED_IN = "signed_in"
    ADMIN = "admin"


class Keyed(Request):
    """The body of a write that says nothing but, where the client made one, its key."""

    key: Key | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Call(Generic[B, Q]):
    """One checked request: body and query as declared, path parameters by name, whose it is."""

    body: B
    query: Q
    path: Mapping[str, Any]
    caller: Caller
    signed_in: Principal | None = None
    header_key: str | None = None

    @property
    def principal(self) -> Principal:
        """Who calls. Raises `unauthenticated` at an endpoint that anybody may call."""
        if self.signed_in is None:
            raise ChatError(Code.UNAUTHENTICATED, "Sign in first.")
        return self.signed_in

    @property
    def user(self) -> str:
        """The caller's user id."""
        return self.principal.user

    @property
    def key(self) -> str | None:
        """The idempotency key: the header's or the body's. Raises `invalid` where they differ."""
        inside = getattr(self.body, "key", UNSET)
        if inside is UNSET:
            return self.header_key
        if self.header_key not in {None, inside}:
            raise RequestError("key: expected the same as in the header Idempotency-Key, or only one.", "key")
        return str(inside)


@dataclass(frozen=True)
class Endpoint(Generic[B, Q, A]):
    """One method of one path below /api/v1, and everything that is published about it.

    `body` and `answer` are JSON of that type; an Upload and a Download are bytes. Without an `answer` a success
    is 204, else `status`. `keyed` is a write that takes an idempotency key.
    `refuses` are the codes that its own rules answer with, beside those that every endpoint may.
    """

    method: Method
    path: str
    handler: Callable[[Call[B, Q]], Awaitable[A]]
    summary: str
    _: KW_ONLY
    tag: str
    body: type[B] | None = None
    query: type[Q] | None = None
    answer: type[A] | None = None
    status: int = 200
    access: Access = Access.SIGNED_IN
    keyed: bool = False
    refuses: tuple[Code, ...] = ()

    @property
    def success(self) -> int:
        """The status of what went well."""
        return 204 if self.answer is None else self.status

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in the path, in its order."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    @property
    def name(self) -> str:
        """A name that no other endpoint has: the handler's own."""
        return str(getattr(self.handler, "__name__", self.path))


AnyEndpoint = Endpoint[Any, Any, Any]
