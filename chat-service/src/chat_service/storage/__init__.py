"""The connections that the log and the directory share, one file per database."""

from typing import Protocol


class Database(Protocol):
    """What a node needs of the database itself, whichever it is."""

    async def probe(self) -> None:
        """Ask it something small. Raises ChatError `unavailable` where it does not answer."""
        ...

    async def close(self) -> None:
        """Finish every write that was taken, and disconnect."""
        ...
