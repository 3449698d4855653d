"""Redaction: which entries are no longer shown, by whom it was said, and what is left of them.

Three kinds of entries redact: a deletion (one message and everything that edits it), retention (every
message up to a seq) and erasure (everything one person wrote up to a seq). The membership of a room is never
redacted: only what people wrote is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chat_service.model.entries import TARGETING, Entry, Kind

WRITTEN = frozenset({Kind.MESSAGE, Kind.EDIT})
"""Kinds whose body is somebody's words. Reactions and room changes hold none that must go."""


def subject_of(entry: Entry) -> int:
    """The seq of the message that an entry is about: of an edit the message it changes, else its own."""
    return entry.target if entry.kind in TARGETING and entry.target is not None else entry.seq


@dataclass(slots=True)
class Redactions:
    """All that redacts a stretch of one room's log, as far as it was read."""

    deleted: set[int] = field(default_factory=set)
    retained_upto: int = 0
    erased: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Redactions:
        """Collect what `entries` redact."""
        found = cls()
        for entry in entries:
            found.add(entry)
        return found

    def add(self, entry: Entry) -> None:
        """Take one more entry into account; entries that redact nothing are ignored."""
        if entry.kind is Kind.DELETE and entry.target is not None:
            self.deleted.add(entry.target)
        elif entry.kind is Kind.RETAIN:
            self.retained_upto = max(self.retained_upto, entry.body["upto"])
        elif entry.kind is Kind.ERASE:
            user: str = entry.body["user"]
            self.erased[user] = max(self.erased.get(user, 0), entry.body["upto"])

    def include(self, retained_upto: int, erased: Mapping[str, int]) -> None:
        """Take the ranges into account that a room's state has gathered."""
        self.retained_upto = max(self.retained_upto, retained_upto)
        for user, upto in erased.items():
            self.erased[user] = max(self.erased.get(user, 0), upto)

    def cover(self, entry: Entry) -> bool:
        """Whether `entry` must not be shown with its body."""
        if entry.kind not in WRITTEN:
            return False
        subject = subject_of(entry)
        return (
            subject in self.deleted or subject <= self.retained_upto or subject <= self.erased.get(entry.sender, 0)
        )

    def mask(self, entry: Entry) -> Entry:
        """`entry` as it may be shown."""
        return entry.masked() if self.cover(entry) else entry
