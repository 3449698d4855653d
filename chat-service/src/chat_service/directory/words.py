"""What of a text is a word to a search: as SQLite's tokenizer unicode61 has it, for stores that have none.

A word is a run of letters and digits of any script, in simple case folding. Latin letters lose their accents;
so do all others where the accent is a character of its own. Pure.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_FIRST_ACCENT, _LAST_ACCENT = "\u0300", "\u0331"
"""The combining accents that are left out; every other mark ends a word, as in unicode61."""


def words_of(text: str) -> list[str]:
    """The words of `text` in their order."""
    return "".join(map(_plain, text)).split()


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    """What `character` is in a word: itself or its plain form, nothing for an accent, a space between words."""
    if _FIRST_ACCENT <= character <= _LAST_ACCENT:
        return ""
    category = unicodedata.category(character)
    if category[0] not in "LN" and category != "Co":
        return " "
    folded = character.casefold()
    if len(folded) != 1:  # simple folding gives one character for one: the sharp s stays
        folded = character.lower()[0]
    base, *accents = list(unicodedata.normalize("NFD", folded))
    return base if accents and base.isascii() else folded
