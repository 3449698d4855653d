"""Access: who was removed from a room is shown nothing that was written after it, and writes nothing there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos.history import LOGGED, Kind, Shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.checks.case import Case

HEARS_S = 5.0
"""How long after a removal was acknowledged a hint (unread) may still come."""


@dataclass(frozen=True, slots=True)
class _Absence:
    """Somebody out of a room: between two seqs, acknowledged from when, until when asked in again."""

    user: str
    room: str
    left: int
    back: float
    acked: float
    asked_back: float


def find(case: Case) -> Iterator[str]:
    """Entries, hints and acknowledgements that reached somebody while they were out."""
    for absence in _absences(case):
        who = f"{absence.user}, removed from {absence.room} at {absence.left},"
        for stream in case.streams:
            if (stream.user, stream.room) != (absence.user, absence.room):
                continue
            for step in stream.steps:
                if (
                    isinstance(step, Shown)
                    and absence.left < step.entry.seq < absence.back
                    and step.at < absence.asked_back
                ):
                    yield f"{who} was shown {step.entry.seq} as {stream.client}"
        for event in case.history.events:
            if (event.user, event.room, event.name) == (
                absence.user,
                absence.room,
                "unread",
            ) and absence.acked + HEARS_S < event.at < absence.asked_back:
                yield f"{who} was told of unread messages {event.at - absence.acked:.1f} s later"
        for operation in case.writes.get(absence.room, []):
            ack = case.first_ack(operation)
            if (
                operation.user == absence.user
                and ack is not None
                and absence.left < ack.seq < absence.back
                and not ack.duplicate
            ):
                yield f"{who} could write {ack.seq}: {operation}"


def _absences(case: Case) -> Iterator[_Absence]:
    for room, log in case.logs.items():
        asked = {
            operation.key: operation
            for operation in case.writes[room]
            if operation.kind in {Kind.JOIN, Kind.REMOVE} and operation.kind in LOGGED
        }
        for entry in log:
            if entry.kind != Kind.REMOVE.value:
                continue
            returned = next(
                (
                    other
                    for other in log[entry.seq :]
                    if other.kind == Kind.JOIN.value and other.person == entry.person
                ),
                None,
            )
            removal = asked.get(entry.key)
            ack = case.first_ack(removal) if removal is not None else None
            returning = asked.get(returned.key) if returned is not None else None
            yield _Absence(
                user=entry.person,
                room=room,
                left=entry.seq,
                back=math.inf if returned is None else returned.seq,
                acked=math.inf if ack is None else ack.at,
                asked_back=math.inf if returning is None or returning.begun is None else returning.begun,
            )
