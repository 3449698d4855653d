"""Background work: what is due is read from cursors over the log, a queue only shares it out among workers.

Nothing is due because a queue says so, and nothing is lost with one: whatever a log has beyond a job's cursor is
found again by looking.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol

import msgspec


class Work(msgspec.Struct, frozen=True, array_like=True):
    """Something to be done by one worker at a time: a job's part about one subject (or "") in one room (or "")."""

    job: str
    subject: str
    room: str


class Claim(msgspec.Struct, frozen=True):
    """Work that a queue gave to this worker; `ticket` is the queue's own."""

    work: Work
    ticket: str = ""


class Job(Protocol):
    """One kind of background work."""

    name: str

    async def about(self, rooms: Collection[str]) -> list[Work]:
        """What may be due now that something was written to these rooms. Too much or too little is fine."""
        ...

    def due(self) -> AsyncIterator[list[Work]]:
        """Everything that is due, page by page: read from the store. Raises ChatError `unavailable`."""
        ...

    async def run(self, work: Work, stopping: asyncio.Event) -> float | None:
        """Do `work`; return None where nothing of it is left, or in how many seconds to come back.

        Once `stopping` is set it ends at the next point where nothing is half done, and returns 0 if more is left.
        Raises ChatError where the store cannot be reached: it is done again.
        """
        ...


class WorkQueue(Protocol):
    """Shares work out among workers. No work is claimed twice at once, but where its worker seems to have died."""

    @property
    def healthy(self) -> bool:
        """Whether work is given out now."""
        ...

    async def start(self) -> None:
        """Begin."""
        ...

    async def stop(self) -> None:
        """End; claims that are left are given to others, where the queue can be reached at once."""
        ...

    async def offer(self, works: Sequence[Work]) -> None:
        """Say that work is due. What waits already waits once; what is claimed is given out once more after."""
        ...

    async def waiting(self) -> int | None:
        """How much is offered and claimed by nobody, by all workers; None where that cannot be told now."""
        ...

    async def take(self) -> Claim:
        """Wait for work and claim it."""
        ...

    async def done(self, claim: Claim) -> None:
        """Give a claim back: its work is done, or is offered again later."""
        ...

    async def release(self, claim: Claim) -> None:
        """Give a claim back so that another worker takes it at once."""
        ...
