"""One order: every log is 1, 2, 3 … without a hole, its ids are used once, and every node reads the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.checks.case import Case
    from chaos.history import LogEntry


def find(case: Case) -> Iterator[str]:
    """Holes, repeated ids, and rooms of which two nodes tell different logs."""
    for room, by_node in case.ending.logs.items():
        first: tuple[str, list[LogEntry]] | None = None
        for node, log in by_node.items():
            yield from _whole(f"{room} on {node}", log)
            if first is None:
                first = node, log
            elif log != first[1]:
                yield f"{room}: {node} reads another log than {first[0]} ({_difference(first[1], log)})"


def _whole(where: str, log: list[LogEntry]) -> Iterator[str]:
    ids: dict[str, int] = {}
    for place, entry in enumerate(log, start=1):
        if entry.seq != place:
            yield f"{where}: seq {entry.seq} stands where {place} belongs"
            return
        if entry.id in ids:
            yield f"{where}: {entry.seq} has the id of {ids[entry.id]}"
        ids[entry.id] = entry.seq


def _difference(one: list[LogEntry], other: list[LogEntry]) -> str:
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            return f"at {mine.seq}"
    return f"{len(one)} and {len(other)} entries"
