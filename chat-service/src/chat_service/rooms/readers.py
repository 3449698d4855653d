"""What the heart needs to know of a connection: how to write to it, and when it cannot take more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chat_service.bus import Item


class Frames(Protocol):
    """Something encoded once that any number of connections of one dialect can be given."""


class Dialect(Protocol):
    """A protocol that readers speak: how what happens in a room looks in it. None: it has no word for that."""

    def entries(self, items: Sequence[Item]) -> Frames | None:
        """Entries of one room, in order."""
        ...

    def event(self, name: str, wire: bytes) -> Frames | None:
        """An event that is no entry: typing, presence, notice …, its payload in JSON."""
        ...


class Reader(Protocol):
    """One connection. `user` is who it is signed in as."""

    @property
    def id(self) -> str:
        """Names the connection among all of this node."""
        ...

    @property
    def user(self) -> str:
        """The user id it is signed in as."""
        ...

    @property
    def dialect(self) -> Dialect:
        """How it is spoken to; connections of one protocol share one object."""
        ...

    @property
    def congested(self) -> bool:
        """Whether more is queued for it than it may be given; then nothing live is written to it."""
        ...

    def write(self, frames: Frames) -> None:
        """Queue `frames`; never waits. Whatever is written to a closed connection is dropped."""
        ...

    def restart(self) -> None:
        """End the connection so that its client comes back and begins anew."""
        ...

    async def drained(self) -> bool:
        """Return once it is no longer congested (True) or has closed (False)."""
        ...
