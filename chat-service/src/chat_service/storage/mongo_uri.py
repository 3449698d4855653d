"""What a MongoDB URI must say: the database, by its path."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

_DATABASE = re.compile(r"[A-Za-z0-9_-]{1,63}")  # what every server takes


def database_of(uri: str) -> str:
    """The name of the database that the path gives. ValueError where it gives none; it quotes no part of `uri`."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"mongodb", "mongodb+srv"}:
        raise ValueError("A MongoDB URI begins with mongodb:// or mongodb+srv://.")
    name = unquote(parts.path.removeprefix("/"))
    if not _DATABASE.fullmatch(name):
        raise ValueError(
            "The path of the MongoDB URI names the database, 1 to 63 letters, digits, - and _:"
            " mongodb://host:port/chat. Special characters in user and password must be percent-encoded."
        )
    return name
