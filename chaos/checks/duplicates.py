"""Exactly once in effect: whatever was repeated, however late and wherever, one entry holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.checks.case import Case


def find(case: Case) -> Iterator[str]:
    """Keys that stand in a log more than once."""
    for (room, sender, key), entries in case.places.items():
        if len(entries) > 1:
            yield f"{room}: {key} of {sender} stands {len(entries)} times: {[entry.seq for entry in entries]}"
