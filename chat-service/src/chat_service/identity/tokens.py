"""Access tokens: short-lived JWTs that prove who somebody is without a look at the store."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jwt
import msgspec
import structlog

from chat_service.directory.meta import StoreMeta
from chat_service.directory.people import User
from chat_service.identity.principal import Principal, UserKind
from chat_service.model.errors import ChatError, Code

ALGORITHM = "HS256"
ISSUER = "chat"
AUDIENCE = "chat"

LEEWAY_S = 5
"""How far the clocks of two nodes may be apart."""

MAX_TOKEN_CHARS = 2048
"""More than the longest token made here: a name of 64 characters is at most 1,024 of them."""

MIN_KEY_BYTES = 32
"""RFC 7518 §3.2: a key of HS256 is at least as long as its hash."""

_KID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_STORED_KEYS = "token-keys"

log = structlog.get_logger()


class SigningKey(NamedTuple):
    """One key: the id that tokens name it by, and its secret bytes."""

    kid: str
    secret: bytes

    def __repr__(self) -> str:
        """Say which key, never its bytes."""
        return f"SigningKey({self.kid}, masked)"


async def stored_token_keys(meta: StoreMeta) -> Callable[[], str]:
    """The keys to use where none are configured: one, made by the first node and kept in the store."""
    text = (await meta.secret(_STORED_KEYS, _make_keys)).decode()
    return lambda: text


class TokenKeys:
    """The keys of CHAT_TOKEN_KEYS, `kid:base64,…`: the first signs, every one verifies.

    `current` is asked each time, so that keys in a file rotate without a restart: add the new one in second
    place, wait until every node reads it, move it to the front, and a token's life later drop the old one.
    A text that cannot be read is logged and the keys before it stay. Raises ValueError for the first text.
    """

    def __init__(self, current: Callable[[], str]) -> None:
        self._current = current
        self._text = current()
        self._keys = _parse(self._text)

    def signing(self) -> SigningKey:
        """The key that new tokens are signed with."""
        return next(iter(self._read().values()))

    def find(self, kid: str) -> SigningKey | None:
        """The key of that id, if it is still accepted."""
        return self._read().get(kid)

    def _read(self) -> dict[str, SigningKey]:
        text = self._current()
        if text != self._text:
            self._text = text
            try:
                self._keys = _parse(text)
                log.info("tokens.keys_changed", kids=list(self._keys))
            except ValueError as problem:
                log.error("tokens.keys_unreadable", error=str(problem), kept=list(self._keys))  # noqa: TRY400
        return self._keys


class AccessTokens:
    """Makes and reads access tokens that are good for `ttl_s` seconds; `clock` gives Unix seconds."""

    def __init__(self, keys: TokenKeys, ttl_s: float, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._ttl_s = ttl_s
        self._clock = clock

    def issue(self, user: User, session: str) -> tuple[str, Principal]:
        """A token for `user` in `session`, and the principal it will be read as."""
        now = self._clock()
        claims = _Claims(
            sub=user.id,
            sid=session,
            iat=int(now),
            exp=int(now + self._ttl_s),
            kind=UserKind.GUEST if user.guest else UserKind.REGISTERED,
            handle=user.handle,
            name=user.name,
            admin=user.admin,
        )
        key = self._keys.signing()
        payload: dict[str, Any] = msgspec.to_builtins(claims) | {"iss": ISSUER, "aud": AUDIENCE}
        token = jwt.encode(payload, key.secret, algorithm=ALGORITHM, headers={"kid": key.kid})
        return token, _principal(claims)

    def read(self, token: str) -> Principal:
        """Who the token was made for. Raises ChatError `unauthenticated`, which says expired or not valid."""
        claims = self._verified(token)
        now = self._clock()
        if claims.exp + LEEWAY_S <= now:
            raise ChatError(Code.UNAUTHENTICATED, "The access token has expired. Refresh it.")
        if claims.iat - LEEWAY_S > now:
            raise _not_valid()
        return _principal(claims)

    def _verified(self, token: str) -> _Claims:
        if len(token) > MAX_TOKEN_CHARS:
            raise _not_valid()
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._keys.find(kid) if isinstance(kid, str) else None
            if key is None:
                raise _not_valid()
            payload = jwt.decode(
                token,
                key.secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                # Times are checked in `read`, by a clock that a test can hold.
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            return msgspec.convert(payload, _Claims)
        except (jwt.PyJWTError, ValueError) as problem:
            raise _not_valid() from problem


class _Claims(msgspec.Struct, omit_defaults=True):
    sub: str
    sid: str
    iat: int
    exp: int
    kind: UserKind
    handle: str
    name: str
    admin: bool = False


def _principal(claims: _Claims) -> Principal:
    return Principal(
        user=claims.sub,
        session=claims.sid,
        kind=claims.kind,
        handle=claims.handle,
        name=claims.name,
        admin=claims.admin,
        issued=claims.iat,
        expires=claims.exp,
    )


def _not_valid() -> ChatError:
    return ChatError(Code.UNAUTHENTICATED, "The access token is not valid. Refresh it, or sign in again.")


def _make_keys() -> bytes:
    secret = base64.urlsafe_b64encode(secrets.token_bytes(MIN_KEY_BYTES))
    return secrets.token_hex(4).encode() + b":" + secret


def _parse(text: str) -> dict[str, SigningKey]:
    keys: dict[str, SigningKey] = {}
    for position, part in enumerate(text.split(","), start=1):
        kid, _, encoded = part.strip().partition(":")
        # What came is a secret, also where it is misspelt: only its place is said.
        if not _KID.fullmatch(kid) or kid in keys:
            raise ValueError(f"key {position}: expected kid:base64 with a kid of its own, of letters and digits")
        try:
            secret = base64.b64decode(_standard(encoded), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"key {position} ({kid}): expected base64 after the colon") from None
        if len(secret) < MIN_KEY_BYTES:
            raise ValueError(f"key {position} ({kid}): expected at least {MIN_KEY_BYTES} bytes, got {len(secret)}")
        keys[kid] = SigningKey(kid, secret)
    return keys


def _standard(encoded: str) -> str:
    """Base64 of either alphabet, padded or not, in the standard alphabet with its padding."""
    bare = encoded.rstrip("=").replace("-", "+").replace("_", "/")
    return bare + "=" * (-len(bare) % 4)
