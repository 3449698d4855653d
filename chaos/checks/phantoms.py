"""Nothing from nowhere: every entry was asked for, as it stands, and was not refused for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.checks.acks import says_the_same

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.checks.case import Case


def find(case: Case) -> Iterator[str]:
    """Entries that nobody sent, that say something else than was sent, or that were refused."""
    for room, operations in case.writes.items():
        known = {(operation.user, operation.key): operation for operation in operations}
        for entry in case.logs[room]:
            if not entry.key:
                continue  # made by the service itself, or before the round began
            operation = known.get((entry.sender, entry.key))
            if operation is None or operation.begun is None:
                yield f"{room}: nobody sent {entry.seq} ({entry.sender}, {entry.key})"
            elif not says_the_same(operation, entry):
                yield f"{operation}: stands at {entry.seq}, but not as it was sent"
            elif operation.refused_for_good:
                yield f"{operation}: stands at {entry.seq} though it was refused"
