"""An index of messages in memory: the plainest thing that keeps the contract."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

from chat_service.directory.texts import Found, Gone, MessageText, TextQuery


class MemoryTexts:
    """`MessageTexts` on a dictionary."""

    def __init__(self) -> None:
        self.rooms: dict[str, int] = {}
        self.texts: dict[tuple[str, int], MessageText] = {}

    async def cursors(self, rooms: Collection[str]) -> dict[str, int]:
        """See MessageTexts."""
        return {room: self.rooms[room] for room in rooms if room in self.rooms}

    async def apply(
        self, room: str, upto: int, texts: Sequence[MessageText], gone: Collection[int], ranges: Sequence[Gone]
    ) -> None:
        """See MessageTexts."""
        for (where, seq), text in list(self.texts.items()):
            covered = any(seq <= one.upto and one.sender in {"", text.sender} for one in ranges)
            if where == room and (seq in gone or covered):
                del self.texts[where, seq]
        self.texts |= {(room, text.seq): text for text in texts}
        self.rooms[room] = max(upto, self.rooms.get(room, 0))

    async def find(self, query: TextQuery, before: int | None, limit: int) -> list[Found]:
        """See MessageTexts."""
        matching = [
            Found((text.ts << 20) + seq, room, seq)
            for (room, seq), text in self.texts.items()
            if room in query.rooms and _matches(text, query)
        ]
        matching.sort(key=lambda found: -found.position)
        return [found for found in matching if before is None or found.position < before][:limit]

    async def clear(self) -> None:
        """See MessageTexts."""
        self.rooms.clear()
        self.texts.clear()


def _matches(text: MessageText, query: TextQuery) -> bool:
    words = _words(text.text)
    return (
        all(_has(words, _words(word.text), prefix=word.prefix) for word in query.words)
        and all(_has(words, _words(phrase)) for phrase in query.phrases)
        and (not query.senders or text.sender in query.senders)
        and (text.has_file or not query.has_file)
    )


def _has(words: list[str], wanted: list[str], *, prefix: bool = False) -> bool:
    for at in range(len(words) - len(wanted) + 1):
        here = words[at : at + len(wanted)]
        if here == wanted or (prefix and here[:-1] == wanted[:-1] and here[-1].startswith(wanted[-1])):
            return bool(wanted)
    return False


def _words(text: str) -> list[str]:
    plain = "".join(one for one in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(one))
    return re.findall(r"[^\W_]+", plain)
