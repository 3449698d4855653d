"""What is known of uploaded files: whose, of which room, and which message may bring them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec


class FileRow(msgspec.Struct, frozen=True, kw_only=True):
    """One uploaded file. `size` in bytes, `width` and `height` in pixels, `ts` in milliseconds since 1970.

    `key` is the idempotency key of the message that claimed it, None while none did. `attached`: that
    message was seen in the log.
    """

    id: str
    room: str
    owner: str
    name: str
    type: str
    size: int
    ts: int
    width: int | None = None
    height: int | None = None
    thumbnail: bool = False
    key: str | None = None
    attached: bool = False


class FileDirectory(Protocol):
    """The files of one store. All methods raise ChatError `unavailable` when it cannot be reached."""

    async def add(self, row: FileRow, quota: int) -> bool:
        """Note a new file; False, and nothing noted, where its owner's files would be more than `quota` bytes."""
        ...

    async def rows(self, files: Collection[str]) -> dict[str, FileRow]:
        """Those of these files that are there."""
        ...

    async def claim(self, room: str, owner: str, key: str, files: Sequence[str], since: int) -> dict[str, FileRow]:
        """Give files to the message that `owner` writes to `room` under `key`; returns those that are its now.

        A file has to be theirs, of that room, uploaded at `since` or later, and no other message's.
        Idempotent, and durable before it returns.
        """
        ...

    async def attach(self, files: Collection[str]) -> None:
        """Note that the message which claimed these files is in the log. Idempotent."""
        ...

    async def remove(self, files: Collection[str]) -> None:
        """Forget files. Idempotent."""
        ...

    async def take_back(self, owner: str, file: str) -> bool:
        """Forget a file of `owner` that no message claimed; False where there is none."""
        ...

    async def used(self, owner: str) -> int:
        """How many bytes somebody's files have together."""
        ...

    async def unattached(self, before: int, after: str, limit: int) -> list[FileRow]:
        """Files uploaded before `before` that no message was seen to bring, by id, beyond the id `after`."""
        ...
