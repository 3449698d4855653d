"""Sessions: signed in once, renewed by rotating refresh tokens, seen and ended by their owner."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable

import msgspec
import structlog

from chat_service.directory.people import PeopleDirectory, Rotation, Session, User
from chat_service.identity.principal import Caller, Principal
from chat_service.identity.refresh_tokens import RefreshToken, digest
from chat_service.identity.revocations import Revocations
from chat_service.identity.tokens import AccessTokens
from chat_service.model.errors import ChatError, Code, not_found
from chat_service.model.ids import new_token

GRACE_S = 10
"""How long the token before the newest is answered with the newest again.

Two tabs may refresh at once, and an answer may be lost: both come back with the token before. They get the
very same successor, so the session still has one line of tokens: of two who hold it, the second to use it
after the grace ends the session, as ever. The grace delays that by one exchange and hides nothing.
"""

MAX_SESSIONS = 50
"""Live sessions of one person; another one ends those used least recently."""

MAX_AGENT_CHARS = 256
_MAX_ADDRESS_CHARS = 64
_SESSION_ID_BITS = 96

log = structlog.get_logger()


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What a client holds of its session. `…_expires` are Unix seconds.

    `access` goes with every request and connection; `refresh` is good for one call of `Sessions.refresh`.
    """

    access: str
    access_expires: int
    refresh: str
    refresh_expires: int
    principal: Principal

    def __repr__(self) -> str:
        """Say whose tokens these are, never what they are."""
        return f"Tokens(masked, of {self.principal.user})"


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session as its owner sees it. Times are Unix seconds; `last_used` is when it was last refreshed."""

    id: str
    created: int
    last_used: int
    expires: int
    address: str
    agent: str
    current: bool


class Sessions:
    """Opens, renews and ends sessions. All async methods raise ChatError `unavailable` without the store.

    A session lasts for `ttl_s` seconds without being refreshed; `clock` gives Unix seconds.
    """

    def __init__(
        self,
        people: PeopleDirectory,
        access_tokens: AccessTokens,
        revocations: Revocations,
        ttl_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._people = people
        self._access_tokens = access_tokens
        self._revocations = revocations
        self._ttl_s = ttl_s
        self._clock = clock

    def authenticate(self, token: str) -> Principal:
        """Who holds this access token. Reads no store.

        Raises ChatError `unauthenticated` where it is not valid, expired or revoked.
        """
        principal = self._access_tokens.read(token)
        self._revocations.check(principal)
        return principal

    async def open(self, user: User, caller: Caller) -> Tokens:
        """Begin a session for somebody who has proved to be `user`."""
        live = await self._people.sessions_of(user.id, self._now())
        await self._end([session.id for session in live[MAX_SESSIONS - 1 :]])
        now = self._now()
        token = RefreshToken.new(new_token(_SESSION_ID_BITS))
        expires = now + int(self._ttl_s)
        session = Session(
            id=token.session,
            user=user.id,
            created=now,
            last_used=now,
            expires=expires,
            address=_printable(caller.address, _MAX_ADDRESS_CHARS),
            agent=_printable(caller.agent, MAX_AGENT_CHARS),
            family=digest(token.family),
            current=digest(token.own),
        )
        await self._people.add_session(session)
        return self._tokens(user, token, expires)

    async def refresh(self, token: str, caller: Caller) -> Tokens:
        """Exchange a refresh token for the next one and a new access token.

        Raises ChatError `unauthenticated` where it is not valid or expired, where its session ended, or
        where it was used before, which ends its session (see GRACE_S).
        """
        held = RefreshToken.parse(token)
        if held is None:
            raise _not_valid()
        session = await self._live_session(held)
        if _same(session.current, held.own):
            rotated = await self._rotate(session, held, caller)
            if rotated is not None:
                return rotated
            # Another request exchanged it, or ended the session, since we read it.
            session = await self._live_session(held)
        if _same(session.previous, held.own) and self._now() - session.rotated <= GRACE_S:
            user = await self._owner(session)
            return self._tokens(user, held.unseal(session.sealed), session.expires)
        log.warning("sessions.refresh_token_reused", session=session.id, user=session.user)
        await self._end([session.id])
        raise ChatError(
            Code.UNAUTHENTICATED, "This refresh token was used before, so its session has ended. Sign in again."
        )

    async def all_of(self, principal: Principal) -> list[SessionView]:
        """The person's live sessions, the most recently used first."""
        live = await self._people.sessions_of(principal.user, self._now())
        return [
            SessionView(
                id=session.id,
                created=session.created,
                last_used=session.last_used,
                expires=session.expires,
                address=session.address,
                agent=session.agent,
                current=session.id == principal.session,
            )
            for session in live
        ]

    async def sign_out(self, principal: Principal) -> None:
        """End the session that `principal` is in. Ending it again changes nothing."""
        await self._end([principal.session])

    async def end(self, principal: Principal, session: str) -> None:
        """End one of the person's own sessions, ended before or not. Raises `not_found` for any other."""
        found = await self._people.session(session)
        if found is None or found.user != principal.user:
            raise not_found("You have no such session.")
        await self._end([session])

    async def end_others(self, principal: Principal) -> int:
        """End all of the person's sessions but the one `principal` is in; how many that were."""
        return await self.end_all(principal.user, but=principal.session)

    async def end_all(self, user: str, *, but: str = "") -> int:
        """End all sessions of a user, `but` perhaps one; how many that were. Not for requests of others."""
        live = await self._people.sessions_of(user, self._now())
        return await self._end([session.id for session in live if session.id != but])

    def _now(self) -> int:
        return int(self._clock())

    async def _live_session(self, token: RefreshToken) -> Session:
        """The session that gave out this token, or another one of its family."""
        session = await self._people.session(token.session)
        if session is None or not _same(session.family, token.family):
            raise _not_valid()
        if session.ended or session.expires <= self._now():
            raise ChatError(Code.UNAUTHENTICATED, "This session has ended. Sign in again.")
        return session

    async def _rotate(self, session: Session, held: RefreshToken, caller: Caller) -> Tokens | None:
        """Exchange the current token; None where it is not the current one any more."""
        now = self._now()
        successor = held.successor()
        rotation = Rotation(
            current=digest(successor.own),
            sealed=held.seal(successor),
            at=now,
            expires=now + int(self._ttl_s),
            address=_printable(caller.address, _MAX_ADDRESS_CHARS),
            agent=_printable(caller.agent, MAX_AGENT_CHARS),
        )
        if not await self._people.rotate_session(session.id, session.current, rotation):
            return None
        return self._tokens(await self._owner(session), successor, rotation.expires)

    async def _owner(self, session: Session) -> User:
        user = (await self._people.users([session.user])).get(session.user)
        if user is None or not user.active:
            raise ChatError(Code.UNAUTHENTICATED, "This account is deactivated.")
        return user

    async def _end(self, sessions: list[str]) -> int:
        """End these sessions at once, and let this node know without waiting for its next poll."""
        if not sessions:
            return 0
        now = self._now()
        outcomes = await asyncio.gather(
            *(self._people.end_session(session, now) for session in sessions), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        await self._revocations.poll()
        return sum(1 for outcome in outcomes if outcome is True)

    def _tokens(self, user: User, refresh: RefreshToken, expires: int) -> Tokens:
        access, principal = self._access_tokens.issue(user, refresh.session)
        return Tokens(
            access=access,
            access_expires=principal.expires,
            refresh=refresh.text(),
            refresh_expires=expires,
            principal=principal,
        )


def _printable(header: str, limit: int) -> str:
    """The beginning of a header, with a ? for bytes that are no UTF-8 (half surrogates) and for controls."""
    return "".join(character if character.isprintable() else "?" for character in header[:limit])


def _not_valid() -> ChatError:
    return ChatError(Code.UNAUTHENTICATED, "The refresh token is not valid. Sign in again.")


def _same(stored: bytes, presented: bytes) -> bool:
    """Whether the digest is that of the presented secret, in a time that does not tell how nearly."""
    return hmac.compare_digest(stored, digest(presented))
