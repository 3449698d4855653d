"""What a file is, told from its first bytes alone: neither its name nor its sender is believed."""

from __future__ import annotations

import codecs

HEAD_BYTES = 4096
"""How much of a file is looked at."""

IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Types that browsers show and that cannot carry a script; nothing else is ever served under its own type."""

OTHER = "application/octet-stream"

# (offset, bytes there, type): the signatures that the formats' own specifications give.
_SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"%PDF-", "application/pdf"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (0, b"PK\x03\x04", "application/zip"),
)


def kind_of(head: bytes) -> str:
    """The media type of a file that begins with `head` (HEAD_BYTES of it, or all where it is shorter)."""
    for offset, signature, kind in _SIGNATURES:
        if head.startswith(signature, offset):
            return kind
    return "text/plain" if _is_text(head) else OTHER


def _is_text(head: bytes) -> bool:
    if not head or any(byte < 0x20 and byte not in b"\t\n\r\f" for byte in head):
        return False
    try:
        # A character that the end of the head cuts in two is no fault.
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < HEAD_BYTES)
    except UnicodeDecodeError:
        return False
    return True
