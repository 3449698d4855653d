"""Refresh tokens: `session.family.own`, of which the store holds only digests.

`own` is 256 random bits, new with every exchange. `family` is 128 random bits that all tokens of a session
share: whoever presents the right family with any other `own` than the newest holds a token that this
session gave out once, and it takes no list of old tokens to know that. Without the family, knowing a
session's id (it is in access tokens and logs) is not enough to end it.

The newest `own` is also kept sealed under the one before: XORed with a one-time pad derived from it. So the
holder of the token before, and nobody who reads the store, can be given the same successor twice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

import msgspec

_OWN_BYTES = 32
_FAMILY_BYTES = 16
_MAX_CHARS = 128
_PAD = b"chat refresh token: pad of the successor"


class RefreshToken(msgspec.Struct, frozen=True):
    """One refresh token, taken apart."""

    session: str
    family: bytes
    own: bytes

    @classmethod
    def new(cls, session: str) -> RefreshToken:
        """The first token of a session."""
        return cls(session, secrets.token_bytes(_FAMILY_BYTES), secrets.token_bytes(_OWN_BYTES))

    @classmethod
    def parse(cls, text: str) -> RefreshToken | None:
        """The token that `text` is, or None where it is none."""
        parts = text.split(".") if len(text) <= _MAX_CHARS and text.isascii() else []
        if len(parts) != 3:
            return None
        try:
            family, own = _bytes(parts[1]), _bytes(parts[2])
        except binascii.Error:
            return None
        if len(family) != _FAMILY_BYTES or len(own) != _OWN_BYTES:
            return None
        return cls(parts[0], family, own)

    def text(self) -> str:
        """What the client holds."""
        return f"{self.session}.{_letters(self.family)}.{_letters(self.own)}"

    def successor(self) -> RefreshToken:
        """The next token of the session."""
        return RefreshToken(self.session, self.family, secrets.token_bytes(_OWN_BYTES))

    def seal(self, successor: RefreshToken) -> bytes:
        """The successor's own part, for `unseal` of this token alone. Kept for one successor only."""
        return _xor(successor.own, self._pad())

    def unseal(self, sealed: bytes) -> RefreshToken:
        """The successor that was sealed under this token."""
        return RefreshToken(self.session, self.family, _xor(sealed, self._pad()))

    def __repr__(self) -> str:
        """Say whose it is, never what it is."""
        return f"RefreshToken(masked, of {self.session})"

    def _pad(self) -> bytes:
        return hmac.digest(self.own, _PAD, "sha256")


def digest(part: bytes) -> bytes:
    """What the store keeps of a part: random input needs no salt and no slow hash."""
    return hashlib.sha256(part).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _letters(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(letters: str) -> bytes:
    return base64.b64decode(letters + "=" * (-len(letters) % 4), altchars=b"-_", validate=True)
