"""Signing up, in and out, and the sessions that come of it."""

import time
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chat_service.http.endpoints import Access, AnyEndpoint, Call, Endpoint, Token
from chat_service.http.resources.users import Person, PersonName
from chat_service.identity.accounts import Accounts
from chat_service.identity.names import HANDLE_PATTERN
from chat_service.identity.passwords import MAX_CHARS, MIN_CHARS
from chat_service.identity.sessions import Sessions, SessionView, Tokens
from chat_service.model.errors import Code
from chat_service.rooms.requests import Request

Username = Annotated[str, Meta(min_length=1, max_length=64)]
NewUsername = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=32,
        description="What others mention you by: nobody else's, in upper or lower case the same.",
        extra_json_schema={"pattern": HANDLE_PATTERN.replace("a-z", "A-Za-z")},
    ),
]
Password = Annotated[str, Meta(min_length=1, max_length=1024)]
NewPassword = Annotated[str, Meta(min_length=MIN_CHARS, max_length=MAX_CHARS)]
RefreshToken = Annotated[str, Meta(min_length=1, max_length=4096)]


class Registration(Request):
    """A new account; `name` is what others see, the username where it is left out."""

    username: NewUsername
    password: NewPassword
    name: PersonName | UnsetType = UNSET
    invite: Token | UnsetType = UNSET


class SignIn(Request):
    """Who somebody claims to be, and the proof."""

    username: Username
    password: Password


class GuestEntry(Request):
    """The name of somebody who comes without an account."""

    name: PersonName


class Refresh(Request):
    """The refresh token of a session: good once, the answer has the next one."""

    refresh_token: RefreshToken


class PasswordChange(Request):
    """The password as it is and as it shall be."""

    current: Password
    new: NewPassword


class SignedIn(msgspec.Struct, kw_only=True):
    """What a client holds of its session. Times are in seconds from now."""

    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme's name
    user: Person


class SessionList(msgspec.Struct):
    """The caller's sessions, the most recently used first."""

    sessions: list[SessionView]


class Ended(msgspec.Struct):
    """How many sessions were ended."""

    ended: int


class AuthResource:
    """Endpoints below /auth."""

    def __init__(self, accounts: Accounts, sessions: Sessions) -> None:
        self._accounts = accounts
        self._sessions = sessions

    async def register(self, call: Call[Registration, None]) -> SignedIn:
        """Make an account and sign it in."""
        asked = call.body
        name = asked.username if asked.name is UNSET else asked.name
        invite = None if asked.invite is UNSET else asked.invite
        return _signed_in(await self._accounts.register(asked.username, name, asked.password, call.caller, invite))

    async def sign_in(self, call: Call[SignIn, None]) -> SignedIn:
        """Open a session."""
        return _signed_in(await self._accounts.sign_in(call.body.username, call.body.password, call.caller))

    async def enter_as_guest(self, call: Call[GuestEntry, None]) -> SignedIn:
        """Open a session without an account."""
        return _signed_in(await self._accounts.enter_as_guest(call.body.name, call.caller))

    async def refresh(self, call: Call[Refresh, None]) -> SignedIn:
        """Exchange a refresh token."""
        return _signed_in(await self._sessions.refresh(call.body.refresh_token, call.caller))

    async def sign_out(self, call: Call[None, None]) -> None:
        """End the caller's session."""
        await self._sessions.sign_out(call.principal)

    async def list_sessions(self, call: Call[None, None]) -> SessionList:
        """Show the caller's sessions."""
        return SessionList(await self._sessions.all_of(call.principal))

    async def end_session(self, call: Call[None, None]) -> None:
        """End one of the caller's sessions."""
        await self._sessions.end(call.principal, call.path["session"])

    async def end_other_sessions(self, call: Call[None, None]) -> Ended:
        """End all of the caller's sessions but this one."""
        return Ended(await self._sessions.end_others(call.principal))

    async def change_password(self, call: Call[PasswordChange, None]) -> None:
        """Replace the caller's password."""
        await self._accounts.change_password(call.principal, call.body.current, call.body.new, call.caller)

    def endpoints(self) -> tuple[AnyEndpoint, ...]:
        """What is served."""
        return (*self._coming_in(), *self._being_in())

    def _coming_in(self) -> tuple[AnyEndpoint, ...]:
        anybody = Access.ANYBODY
        return (
            Endpoint(
                "POST",
                "/auth/register",
                self.register,
                "Make an account and sign it in",
                tag="auth",
                access=anybody,
                body=Registration,
                answer=SignedIn,
                status=201,
                refuses=(Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT, Code.OVERLOADED),
            ),
            Endpoint(
                "POST",
                "/auth/sign-in",
                self.sign_in,
                "Sign in",
                tag="auth",
                access=anybody,
                body=SignIn,
                answer=SignedIn,
                refuses=(Code.UNAUTHENTICATED, Code.FORBIDDEN, Code.OVERLOADED),
            ),
            Endpoint(
                "POST",
                "/auth/guest",
                self.enter_as_guest,
                "Come in as a guest",
                tag="auth",
                access=anybody,
                body=GuestEntry,
                answer=SignedIn,
                status=201,
                refuses=(Code.FORBIDDEN,),
            ),
            Endpoint(
                "POST",
                "/auth/refresh",
                self.refresh,
                "Exchange a refresh token for new tokens",
                tag="auth",
                access=anybody,
                body=Refresh,
                answer=SignedIn,
                refuses=(Code.UNAUTHENTICATED,),
            ),
        )

    def _being_in(self) -> tuple[AnyEndpoint, ...]:
        return (
            Endpoint("POST", "/auth/sign-out", self.sign_out, "Sign out: end this session", tag="auth"),
            Endpoint(
                "GET",
                "/auth/sessions",
                self.list_sessions,
                "List my sessions",
                tag="auth",
                answer=SessionList,
            ),
            Endpoint(
                "DELETE",
                "/auth/sessions",
                self.end_other_sessions,
                "End all my other sessions",
                tag="auth",
                answer=Ended,
            ),
            Endpoint(
                "DELETE",
                "/auth/sessions/{session}",
                self.end_session,
                "End one of my sessions",
                tag="auth",
                refuses=(Code.NOT_FOUND,),
            ),
            Endpoint(
                "POST",
                "/auth/password",
                self.change_password,
                "Change my password, which ends my other sessions",
                tag="auth",
                body=PasswordChange,
                refuses=(Code.FORBIDDEN, Code.CONFLICT, Code.OVERLOADED),
            ),
        )


def _signed_in(tokens: Tokens) -> SignedIn:
    now = int(time.time())
    principal = tokens.principal
    return SignedIn(
        access_token=tokens.access,
        expires_in=tokens.access_expires - now,
        refresh_token=tokens.refresh,
        refresh_expires_in=tokens.refresh_expires - now,
        user=Person(
            id=principal.user,
            username=principal.handle,
            name=principal.name,
            kind=principal.kind,
            admin=principal.admin,
        ),
    )
