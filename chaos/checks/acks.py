"""Durable acknowledgement: whatever was acknowledged stands in the log, where the receipt said, as it was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.history import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.checks.case import Case
    from chaos.history import Acked, LogEntry, Operation


def find(case: Case) -> Iterator[str]:
    """Acknowledged operations that are not there, and receipts that contradict each other."""
    for room, operations in case.writes.items():
        log = case.logs[room]
        for operation in operations:
            acks = [ack for ack in operation.acks if case.counts(ack)]
            for ack in acks:
                yield from _stands(operation, ack, log)
            if len({(ack.seq, ack.id) for ack in acks}) > 1:
                yield f"{operation}: acknowledged at different places: {sorted({ack.seq for ack in acks})}"


def _stands(operation: Operation, ack: Acked, log: list[LogEntry]) -> Iterator[str]:
    if not 1 <= ack.seq <= len(log):
        yield f"{operation}: acknowledged by {ack.node} at {ack.seq}, the log ends at {len(log)}"
        return
    entry = log[ack.seq - 1]
    if (entry.id, entry.sender, entry.key) != (ack.id, operation.user, operation.key):
        yield f"{operation}: acknowledged by {ack.node} at {ack.seq}, where something else stands"
    elif not says_the_same(operation, entry):
        yield f"{operation}: stands at {ack.seq}, but not as it was sent"


def says_the_same(operation: Operation, entry: LogEntry) -> bool:
    """Whether an entry is what the operation asked for; words that were taken away are not compared."""
    if entry.kind != operation.kind.value:
        return False
    if operation.kind in {Kind.JOIN, Kind.REMOVE}:
        return entry.person == operation.person
    if operation.kind is not Kind.SEND and entry.target != operation.target:
        return False
    if operation.kind is Kind.REACT:
        return entry.redacted or (entry.emoji, entry.on) == (operation.emoji, operation.on)
    return operation.kind is Kind.DELETE or entry.redacted or entry.text == operation.text
