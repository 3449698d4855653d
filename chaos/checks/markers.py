"""Read markers never move back, and what is unread follows from them and the log."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from chaos.history import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.checks.case import Case
    from chaos.history import Operation, Standing

UNREAD_MOST = 100
"""Unread messages that the service counts; as many stand for as many or more."""


def find(case: Case) -> Iterator[str]:
    """Markers that went back or ended elsewhere than they were put, and wrong numbers of unread messages."""
    marks: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    for operation in case.history.operations:
        if operation.kind is Kind.MARK:
            marks[operation.user, operation.room].append(operation)
    for operations in marks.values():
        yield from _moved_back(case, operations)
    for standing in case.ending.standings:
        yield from _stands(case, standing, marks.get((standing.user, standing.room), []))


def _moved_back(case: Case, operations: list[Operation]) -> Iterator[str]:
    known = [(one.begun, ack.seq, ack.at, one) for one in operations if (ack := case.first_ack(one)) and one.begun]
    for begun, seq, _, operation in known:
        before = max((other for _, other, at, _ in known if at < begun), default=0)
        if seq < before:
            yield f"{operation}: the marker is at {seq}, but {before} was acknowledged before"


def _stands(case: Case, standing: Standing, marks: list[Operation]) -> Iterator[str]:
    where = f"{standing.user} in {standing.room} on {standing.node}"
    log = case.logs.get(standing.room)
    if log is None:
        return
    least = max((ack.seq for one in marks if (ack := case.first_ack(one))), default=0)
    most = max((one.target for one in marks), default=0)
    if not least <= standing.read_seq <= most:
        yield f"{where}: the marker is at {standing.read_seq}; acknowledged was {least}, asked at most {most}"
    if standing.last_seq != len(log):
        yield f"{where}: the list says that the room ends at {standing.last_seq}, its log at {len(log)}"
    let_in = max((entry.seq for entry in log if (entry.kind, entry.person) == ("join", standing.user)), default=0)
    later = [
        entry for entry in log[max(standing.read_seq, let_in) :] if entry.kind == "message" and not entry.redacted
    ]
    unread = min(UNREAD_MOST, sum(entry.sender != standing.user for entry in later))
    if standing.unread != unread:
        yield f"{where}: {standing.unread} unread, the log has {unread}"
