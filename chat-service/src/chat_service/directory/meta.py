"""What a store knows of itself: its incarnation, and secrets that all its nodes share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class StoreMeta(Protocol):
    """Values made once per store. All methods raise ChatError `unavailable` when it cannot be reached."""

    async def incarnation(self) -> str:
        """The id of this store's contents: made with the store, and new after every restore.

        Whoever asks first makes it; everybody gets the same.
        """
        ...

    async def new_incarnation(self) -> str:
        """Replace the incarnation after a restore, so that every room's epoch changes; return the new one."""
        ...

    async def secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The secret of that name, made by `make` if there is none yet.

        Where several nodes make one at the same time, the first stored wins and all get that one.
        """
        ...
