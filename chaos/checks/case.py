"""What every check looks at: the history, the ending, and look-ups that several of them share."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

from chaos.history import LOGGED, Opened

if TYPE_CHECKING:
    from chaos.history import Acked, Ending, History, LogEntry, Operation, Stream


class Case:
    """A recorded round, ready to be judged. Nothing in it changes any more."""

    def __init__(self, history: History, ending: Ending) -> None:
        self.history = history
        self.ending = ending

    @cached_property
    def logs(self) -> dict[str, list[LogEntry]]:
        """The whole log of each room; where nodes differ, that of the first (`log_whole` tells)."""
        return {room: next(iter(by_node.values()), []) for room, by_node in self.ending.logs.items()}

    @cached_property
    def places(self) -> dict[tuple[str, str, str], list[LogEntry]]:
        """Entries by room, sender and key, those with a client's key."""
        found: dict[tuple[str, str, str], list[LogEntry]] = defaultdict(list)
        for room, log in self.logs.items():
            for entry in log:
                if entry.key:
                    found[room, entry.sender, entry.key].append(entry)
        return dict(found)

    @cached_property
    def writes(self) -> dict[str, list[Operation]]:
        """Operations that append, by room, in the order in which they were made; those of rooms that were read."""
        found: dict[str, list[Operation]] = {room: [] for room in self.logs}
        for operation in self.history.operations:
            if operation.kind in LOGGED and operation.room in found:
                found[operation.room].append(operation)
        return found

    @cached_property
    def streams(self) -> list[Stream]:
        """What clients were shown of rooms that were read."""
        return [stream for stream in self.history.streams.values() if stream.room in self.logs]

    def place(self, operation: Operation) -> int | None:
        """Where an operation stands in its log; None where it does not."""
        found = self.places.get((operation.room, operation.user, operation.key))
        return found[0].seq if found else None

    def counts(self, ack: Acked) -> bool:
        """Whether an acknowledgement still binds: no restore of an earlier copy came after it."""
        voided = self.ending.voided
        return voided is None or not voided[0] <= ack.at <= voided[1]

    def first_ack(self, operation: Operation) -> Acked | None:
        """The first acknowledgement that binds."""
        return next((ack for ack in operation.acks if self.counts(ack)), None)

    def log_of(self, room: str, opened: Opened) -> list[LogEntry]:
        """The log that an opening was about: the one there is, or one that a restore put an end to."""
        return self.ending.former.get((room, opened.epoch), self.logs[room])


def content(entry: LogEntry) -> tuple[object, ...]:
    """What an entry says, in a form that two of the same kind are compared by."""
    return entry.text, entry.target, entry.emoji, entry.on, entry.person


def same(shown: LogEntry, stored: LogEntry) -> bool:
    """Whether two readings are of one entry; one of them may be from before its words were taken away."""
    if (shown.seq, shown.id, shown.kind, shown.sender, shown.key) != (
        stored.seq,
        stored.id,
        stored.kind,
        stored.sender,
        stored.key,
    ):
        return False
    return shown.redacted or stored.redacted or content(shown) == content(stored)
