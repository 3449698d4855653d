"""The newest entries of a room, held in memory: what most repeats, edits and replies are about."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from chat_service.model.entries import Entry, Kind
from chat_service.model.redaction import Redactions

RECENT_ENTRIES = 512
"""How many entries a room that is written to keeps: a few minutes of a busy room."""

RECENT_CHARS = 128 * 1024
"""How many characters of text they may have together: a room of very long messages keeps fewer of them."""


class Recent:
    """An unbroken stretch of a room's log that ends at its last known entry."""

    def __init__(self, after: int, limit: int = RECENT_ENTRIES) -> None:
        self.after = after
        """The seq before the stretch: everything later is here."""
        self._limit = limit
        self._chars = 0
        self._order: deque[Entry] = deque()
        self._by_seq: dict[int, Entry] = {}
        self._by_key: dict[tuple[str, str], Entry] = {}
        self._redactions = Redactions()

    def add(self, entries: Iterable[Entry]) -> None:
        """Append the next entries of the log; the oldest beyond the limit are let go."""
        for entry in entries:
            self._order.append(entry)
            self._chars += _chars(entry)
            self._by_seq[entry.seq] = entry
            self._by_key[entry.sender, entry.key] = entry
            self._redactions.add(entry)
        while len(self._order) > self._limit or (self._chars > RECENT_CHARS and len(self._order) > 1):
            oldest = self._order.popleft()
            self._chars -= _chars(oldest)
            self.after = oldest.seq
            del self._by_seq[oldest.seq]
            self._by_key.pop((oldest.sender, oldest.key), None)
            if oldest.kind is Kind.DELETE and oldest.target is not None:
                # Whatever it redacts is older than it, and let go already.
                self._redactions.deleted.discard(oldest.target)

    def with_key(self, sender: str, key: str) -> Entry | None:
        """The entry under this key, masked where it was redacted; None where it is older or not there."""
        entry = self._by_key.get((sender, key))
        return None if entry is None else self._redactions.mask(entry)

    def at(self, seq: int) -> Entry | None:
        """The entry at `seq`, masked where it was redacted; None where it is older or not there."""
        entry = self._by_seq.get(seq)
        return None if entry is None else self._redactions.mask(entry)


def _chars(entry: Entry) -> int:
    return len(entry.body.get("text", ""))
