"""Names: what a username and a display name may be made of."""

from __future__ import annotations

import re
import unicodedata

from chat_service.model.errors import invalid
from chat_service.model.ids import is_user_id

HANDLE_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,30}[a-z0-9]$"
"""A username in lower case: a letter or digit at both ends, so that a mention ends before a full stop."""

MAX_NAME_CHARS = 64

MENTION_WORDS = frozenset({"all", "channel", "everyone", "here", "room"})
"""Words that people write after an @ to mean many: nobody may be called so."""

_handle = re.compile(HANDLE_PATTERN)

_JOINERS = frozenset("\u200c\u200d")
"""The two format characters that words (Persian, Indic scripts) and emoji are written with."""

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories refused in display names: controls, line ends, and format characters.

The last hold the bidirectional overrides, with which one name can be made to look like another.
"""

_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols of Unicode that are drawn as nothing: Hangul fillers and the empty Braille cell."""


def canonical_handle(text: str) -> str | None:
    """The username that `text` means, in lower case without spaces around it; None where it cannot be one."""
    # Only ASCII is lowered: U+212A, the Kelvin sign, would become a plain k.
    text = text.strip()
    lowered = text.lower() if text.isascii() else ""
    return lowered if _handle.match(lowered) else None


def new_handle(text: str) -> str:
    """The username to register for `text`. Raises ChatError `invalid`."""
    handle = canonical_handle(text)
    if handle is None:
        raise invalid(
            "A username has 2 to 32 of the characters a-z, 0-9, dot, hyphen and underscore,"
            " with a letter or a digit at both ends."
        )
    if handle in MENTION_WORDS or is_user_id(handle):
        raise invalid(f"The username {handle!r} is reserved. Choose another one.")
    return handle


def display_name(text: str) -> str:
    """`text` in Unicode's form NFC, with single spaces and none around it. Raises ChatError `invalid`."""
    text = unicodedata.normalize("NFC", text.strip())
    for character in text:
        if _deceives(character):
            raise invalid(f"A name cannot have the invisible character U+{ord(character):04X}.")
    name = " ".join(text.split())
    if not 1 <= len(name) <= MAX_NAME_CHARS:
        raise invalid(f"A name has 1 to {MAX_NAME_CHARS} characters; this one has {len(name)}.")
    if not any(unicodedata.category(character)[0] in "LNPS" for character in name):
        raise invalid("A name needs at least one visible character.")
    return name


def _deceives(character: str) -> bool:
    if character in _BLANKS:
        return True
    return unicodedata.category(character) in _INVISIBLE and character not in _JOINERS
