"""People: users, their sessions and revocations, invites and attempts, and what every adapter must do.

No method needs more than one row changed atomically, or says what may be seen in between: an adapter for a
database without transactions can keep every promise made here.

All times are Unix seconds. Secrets are never stored: only SHA-256 digests of tokens (which are random, so a
digest cannot be guessed back) and argon2id hashes of passwords.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Protocol

import msgspec


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who can write. `handle` is lower case and unique; a guest's is their id."""

    id: str
    handle: str
    name: str
    guest: bool
    admin: bool
    active: bool
    created: int


class Credential(msgspec.Struct, frozen=True):
    """A user and the hash of their password ("" for guests, who have none)."""

    user: User
    password_hash: str

    def __repr__(self) -> str:
        """Say whose it is, never what it is."""
        return f"Credential(masked, of {self.user.id})"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A signed-in device. `ended` is when it was signed out or revoked, 0 while it lives.

    `family` is the digest of the part that all its refresh tokens share, `current` that of the newest
    one's own part, `previous` that of the one before ("" at first), which was exchanged at `rotated`.
    `sealed` is the newest one's own part, readable only with the one before.
    """

    id: str
    user: str
    created: int
    last_used: int
    expires: int
    address: str
    agent: str
    family: bytes
    current: bytes
    previous: bytes = b""
    sealed: bytes = b""
    rotated: int = 0
    ended: int = 0

    def __repr__(self) -> str:
        """Leave the digests out."""
        return f"Session({self.id}, of {self.user}, expires={self.expires}, ended={self.ended})"


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """What changes in a session when its refresh token is exchanged; the current one becomes previous."""

    current: bytes
    sealed: bytes
    at: int
    expires: int
    address: str
    agent: str

    def __repr__(self) -> str:
        """Leave the digests out."""
        return f"Rotation(at={self.at}, expires={self.expires})"


class RevocationKind(StrEnum):
    """A session ended; or all access tokens of a user that were made until then did."""

    SESSION = "session"
    USER = "user"


class Revocation(msgspec.Struct, frozen=True):
    """One entry of the append-only log of revocations. `n` ascends; `id` is a session's or a user's."""

    n: int
    kind: RevocationKind
    id: str
    at: int


class Invite(msgspec.Struct, frozen=True, kw_only=True):
    """A link that lets up to `max_uses` people in until `expires`. `room` is "" where it only registers."""

    id: str
    token_digest: bytes
    room: str
    role: str
    registers: bool
    creator: str
    created: int
    expires: int
    max_uses: int
    uses: int = 0
    revoked: bool = False

    def __repr__(self) -> str:
        """Leave the digest out."""
        return f"Invite({self.id}, room={self.room!r}, uses={self.uses}/{self.max_uses})"


class UserRows(Protocol):
    """Accounts, and guests."""

    async def add_user(self, user: User, password_hash: str) -> bool:
        """Store a new user; False where the handle (or id) is taken."""
        ...

    async def users(self, ids: Collection[str]) -> dict[str, User]:
        """Those of these users that exist."""
        ...

    async def ids_by_handles(self, handles: Collection[str]) -> dict[str, str]:
        """Handle -> user id, for those that exist."""
        ...

    async def search_users(self, prefix: str, after: str, limit: int, *, inactive: bool = False) -> list[User]:
        """The first `limit` registered users with handle > `after`, by handle; with `inactive` deactivated too.

        Their handle, or their display name in casefold, begins with `prefix` (itself in casefold).
        """
        ...

    async def credential(self, handle: str) -> Credential | None:
        """The user of that handle, with their password's hash."""
        ...

    async def set_password(self, user: str, old_hash: str | None, new_hash: str) -> bool:
        """Replace the hash; False where it is not `old_hash` any more (None: whatever it is), or no such user."""
        ...

    async def set_name(self, user: str, name: str) -> bool:
        """Change the display name; False where there is no such user."""
        ...

    async def set_admin(self, user: str, admin: bool) -> bool:
        """Give or take the right to administrate; False where there is no such user."""
        ...

    async def set_active(self, user: str, active: bool) -> bool:
        """Activate or deactivate; False where there is no such user."""
        ...


class SessionRows(Protocol):
    """Sessions, and the append-only log of what ended early."""

    async def add_session(self, session: Session) -> None:
        """Store a new session."""
        ...

    async def session(self, id: str) -> Session | None:  # noqa: A002
        """The session, ended or not, until a sweep takes it."""
        ...

    async def sessions_of(self, user: str, now: int) -> list[Session]:
        """The user's sessions that neither ended nor expired, the most recently used first."""
        ...

    async def rotate_session(self, id: str, expected: bytes, rotation: Rotation) -> bool:  # noqa: A002
        """Compare and swap: rotate if the session lives and its `current` is `expected`, else False."""
        ...

    async def end_session(self, id: str, at: int) -> bool:  # noqa: A002
        """End the session and log its revocation; False where it does not exist or had ended.

        An adapter that cannot do both at once logs first: then a repeat after a failure completes it.
        """
        ...

    async def revoke_user(self, user: str, at: int) -> None:
        """Log that every access token of the user made until `at` is revoked."""
        ...

    async def revocations(self, first: int, since: int, limit: int) -> list[Revocation]:
        """The first `limit` revocations with n >= `first` and at >= `since`, by n.

        Once one was returned, none with a lower n appears later.
        """
        ...


class InviteRows(Protocol):
    """Invites, and who used them."""

    async def add_invite(self, invite: Invite) -> None:
        """Store a new invite."""
        ...

    async def invite(self, token_digest: bytes) -> Invite | None:
        """The invite with that token, working or not."""
        ...

    async def take_invite(self, token_digest: bytes, user: str, now: int) -> Invite | None:
        """Take one use for `user` and return the invite, or None where it does not work (any more).

        It works while it is not revoked, not expired, and has uses left. Taking again as the same user takes
        no second use; then uses left are not needed.
        """
        ...

    async def give_back_invite(self, id: str, user: str) -> None:  # noqa: A002
        """Give back the use that `user` took, if they did."""
        ...

    async def invites_of(self, room: str, now: int, limit: int) -> list[Invite]:
        """The newest `limit` invites of the room that work at `now`, newest first."""
        ...

    async def revoke_invite(self, room: str, id: str) -> bool:  # noqa: A002
        """Make an invite of that room stop working; False where there is none."""
        ...


class AttemptRows(Protocol):
    """How often something was tried lately, counted for all nodes together."""

    async def take_attempt(self, key: str, until: int, limit: int) -> bool:
        """Count one attempt under `key` in the window that ends at `until`; False where it has `limit`."""
        ...

    async def give_back_attempt(self, key: str, until: int) -> None:
        """Count one attempt less in that window, if it has any."""
        ...

    async def clear_attempts(self, key: str) -> None:
        """Forget every attempt under `key`."""
        ...


class PeopleDirectory(UserRows, SessionRows, InviteRows, AttemptRows, Protocol):
    """Everything about people in one store. All methods raise ChatError `unavailable` without it.

    After `unavailable` the outcome of a write is unknown.
    """

    async def sweep(self, now: int, revoked_before: int) -> None:
        """Drop what no rule looks at any more: expired sessions, windows that are over, old revocations.

        Revocations go where `at` < `revoked_before`; the newest one always stays. Ended sessions stay until
        they expire, so that a stolen refresh token of one is still recognised. Invites stay a month after
        they expired.
        """
        ...
