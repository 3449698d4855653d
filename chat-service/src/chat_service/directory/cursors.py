"""How far each job has come in each room's log: the only thing by which it is known what is due."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol


class JobCursors(Protocol):
    """Cursors of one store, by job and room. All methods raise ChatError `unavailable` when it cannot be reached.

    A cursor is the seq of the last entry that the job is done with; 0 where there is none.
    """

    async def of(self, job: str, rooms: Collection[str]) -> dict[str, int]:
        """The job's cursors in these rooms; rooms where it has none are left out."""
        ...

    async def advance(self, job: str, room: str, at: int, to: int) -> bool:
        """Move a cursor from `at` to `to`; False, and nothing moved, where it does not stand at `at` any more.

        Of two workers that believe to have the same work only one gets on.
        """
        ...

    async def put(self, job: str, cursors: Mapping[str, int]) -> None:
        """Set the job's cursors in these rooms, wherever they are."""
        ...

    async def forget(self, job: str) -> None:
        """Remove every cursor of a job. Idempotent."""
        ...
