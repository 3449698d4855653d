"""Presence: once nothing moves any more, every node names exactly those who have the room open."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.checks.case import Case
    from chaos.history import PresenceSeen


def find(case: Case) -> Iterator[str]:
    """Rooms of which a node still names somebody who has gone, or lacks somebody, at the last look."""
    last: dict[tuple[str, str], PresenceSeen] = {}
    for seen in case.ending.presence:
        last[seen.node, seen.room] = seen
    for (node, room), seen in last.items():
        ghosts, lacking = sorted(seen.told - seen.truth), sorted(seen.truth - seen.told)
        if ghosts:
            yield f"{room}: {node} names {ghosts}, who do not have it open"
        if lacking:
            yield f"{room}: {node} does not name {lacking}, who have it open"
