"""Nodes of a chat world: who is there and how they are, in the store, so that no bus is needed to know it."""

from __future__ import annotations

from typing import Protocol

import msgspec

FORGET_AFTER_MS = 24 * 3600 * 1000
"""How long a node that left or died stays on record: long enough for somebody to look at it the next day."""


class NodeRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a node said of itself last. `seen` in milliseconds since 1970, by its own clock."""

    node: str
    seen: int
    bus_healthy: bool
    left: bool = False
    """It said that it leaves: nothing that it wrote is still on its way."""


class NodeDirectory(Protocol):
    """The nodes of one store. All methods raise ChatError `unavailable` when it cannot be reached."""

    async def beat(self, node: str, now_ms: int, *, bus_healthy: bool) -> None:
        """Say that `node` is there at `now_ms`; it has not left, whatever was said before. Idempotent."""
        ...

    async def leave(self, node: str) -> None:
        """Say that `node` has left cleanly; nothing where it is not on record. Idempotent."""
        ...

    async def peers(self, since_ms: int) -> list[NodeRow]:
        """Every node seen at `since_ms` or later, those that left included, by name."""
        ...

    async def prune(self, before_ms: int) -> int:
        """Forget the nodes last seen before `before_ms`; returns how many."""
        ...
