"""Names of files: what somebody called a file, made safe to be shown and to be sent in a header."""

from __future__ import annotations

import unicodedata

MAX_NAME_CHARS = 120
_NAMELESS = "file"
# Characters that turn the reading direction (Unicode 9, "bidirectional ordering"): with them
# "gpj.exe" can be made to read "exe.jpg".
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_name(name: str) -> str:
    """`name` without folders, control and direction characters, and of bounded length; never empty.

    It is for people alone: no path is ever made of it. A long name keeps its extension.
    """
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    kept = "".join(
        letter
        for letter in unicodedata.normalize("NFC", last)
        if letter not in _TURNING and unicodedata.category(letter) not in {"Cc", "Cs", "Cn", "Co", "Zl", "Zp"}
    )
    words = " ".join(kept.split()).strip(". ") or _NAMELESS
    if len(words) <= MAX_NAME_CHARS:
        return words
    stem, dot, extension = words.rpartition(".")
    if not dot or len(extension) > 10:
        return words[:MAX_NAME_CHARS]
    return stem[: MAX_NAME_CHARS - len(extension) - 2] + "…." + extension
