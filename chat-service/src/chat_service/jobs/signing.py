"""Signing: the secret of a webhook, and what it makes of a delivery.

The form is that of the Standard Webhooks specification, version 1 (www.standardwebhooks.com): HMAC-SHA256 over
id, timestamp and body, so that receivers can use the libraries that exist for it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

_PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    """A random secret of 256 bits, in the form that receivers are given."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signature(secret: str, delivery: str, timestamp_s: int, body: bytes) -> str:
    """The signature of a delivery's attempt: `v1,` and base64."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = f"{delivery}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
