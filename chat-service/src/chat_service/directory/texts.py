"""What messages say, to be searched: an index made from the logs, by a cursor for each room.

It is never the truth. It can lag behind a log, and every message that it finds is read again from the log
before anybody sees it. A query is simple enough for any store that can look up words.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec


class MessageText(msgspec.Struct, frozen=True, kw_only=True):
    """What one message says now, the names of its files included; `ts` in milliseconds since 1970."""

    seq: int
    sender: str
    ts: int
    text: str
    has_file: bool = False


class Gone(msgspec.Struct, frozen=True):
    """Messages up to a seq that say nothing any more: those of one sender, or with "" everybody's."""

    upto: int
    sender: str = ""


class Word(msgspec.Struct, frozen=True):
    """A word to be found, whole or as a beginning."""

    text: str
    prefix: bool = False


class TextQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What a message must have: every word and every phrase; one of the senders, where any are given; a file.

    Case and accents do not matter. `rooms` are all that are searched.
    """

    rooms: Sequence[str]
    words: Sequence[Word] = ()
    phrases: Sequence[str] = ()
    senders: Sequence[str] = ()
    has_file: bool = False


class Found(msgspec.Struct, frozen=True):
    """A message that was found. A page after it begins at its `position`; later messages have larger ones."""

    position: int
    room: str
    seq: int


class MessageTexts(Protocol):
    """The index of one store. All methods raise ChatError `unavailable` when it cannot be reached."""

    async def cursors(self, rooms: Collection[str]) -> dict[str, int]:
        """Up to which seq each room is indexed; rooms that are not at all are left out."""
        ...

    async def apply(
        self, room: str, upto: int, texts: Sequence[MessageText], gone: Collection[int], ranges: Sequence[Gone]
    ) -> None:
        """Bring the index of a room up to the seq `upto`: take out what is `gone` and in `ranges`, put `texts`.

        What is put replaces what the message said before. Idempotent; the cursor never goes back.
        """
        ...

    async def find(self, query: TextQuery, before: int | None, limit: int) -> list[Found]:
        """The newest `limit` messages that match, those before the position `before`, newest first."""
        ...

    async def clear(self) -> None:
        """Forget everything: it is to be made again."""
        ...
