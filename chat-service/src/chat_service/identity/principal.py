"""Principal: who is behind a request or a connection, as an access token proves it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class UserKind(StrEnum):
    """Registered people have a password; guests have only the name they came with."""

    REGISTERED = "registered"
    GUEST = "guest"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """One signed-in person in one session, as of when their access token was made.

    `user` is a user id (model.ids), `session` a session id. `handle` is the unique username (a guest's is
    their user id), `name` the display name; both may be as old as the token. `issued` and `expires` are
    those of the token, in Unix seconds.
    """

    user: str
    session: str
    kind: UserKind
    handle: str
    name: str
    admin: bool
    issued: int
    expires: int

    @property
    def guest(self) -> bool:
        """Whether this is somebody without an account."""
        return self.kind is UserKind.GUEST


class Caller(msgspec.Struct, frozen=True):
    """Where a request came from: the client's address (behind trusted proxies) and its User-Agent."""

    address: str
    agent: str = ""
