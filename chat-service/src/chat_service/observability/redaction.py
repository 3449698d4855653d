"""Keeps secrets out of the log: a value under a secret's name is replaced, however deep it lies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

MASK = "[redacted]"

# A name is secret if one of its words is: `refresh_token`, `Set-Cookie`, `apiKey`. The idempotency key of a
# write falls under it too; nobody looks for a message by its key.
SECRET_WORDS = frozenset(
    {"apikey", "auth", "authorization", "bearer", "cookie", "cookies", "credential", "credentials", "jwt"}
    | {
        "key",
        "keys",
        "passphrase",
        "passwd",
        "password",
        "passwords",
        "pwd",
        "secret",
        "secrets",
        "signature",
    }
    | {"token", "tokens"}
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_DEEPEST = 6


def is_secret(name: str) -> bool:
    """Whether a value under this name is to be masked."""
    return any(word.lower() in SECRET_WORDS for word in _WORD.findall(name))


def redact(_logger: object, _method: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """Mask the secrets of one log event, as a structlog processor. Its own text is left alone."""
    for name, value in event.items():
        event[name] = _clean(name, value, _DEEPEST)
    return event


def _clean(name: str, value: object, depth: int) -> object:
    # Numbers and flags say nothing of a secret, and `access_token_ttl_s` is worth reading.
    if value is None or isinstance(value, bool | int | float):
        return value
    if is_secret(name):
        return MASK
    if depth == 0:
        return repr(type(value))
    if isinstance(value, Mapping):
        return {str(key): _clean(str(key), item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_clean(name, item, depth - 1) for item in value]
        return items if isinstance(value, list) else tuple(items)  # `exc_info` has to stay a tuple
    return value
