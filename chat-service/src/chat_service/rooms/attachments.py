"""Attachments: what the heart asks of whoever keeps the files that messages bring."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol


class Attachments(Protocol):
    """Files as messages see them. All methods raise ChatError `unavailable` where they cannot be reached."""

    async def claim(self, room: str, sender: str, key: str, files: Sequence[str]) -> Mapping[str, dict[str, Any]]:
        """Reserve files for the message that `sender` writes to `room` under the idempotency key `key`.

        Durable before it returns, and idempotent. Answers how each is described in the message; a file that
        this message may not bring (it is not there, somebody else's, of another room or message) is left out.
        """
        ...

    async def attached(self, files: Collection[str]) -> None:
        """Note that the message which claimed these files is stored. Idempotent."""
        ...

    async def remove(self, files: Collection[str]) -> None:
        """Remove files and what is known of them. Idempotent."""
        ...


class NoAttachments:
    """`Attachments` of a node that keeps no files: no message may bring any."""

    async def claim(self, room: str, sender: str, key: str, files: Sequence[str]) -> Mapping[str, dict[str, Any]]:
        """See Attachments."""
        del room, sender, key, files
        return {}

    async def attached(self, files: Collection[str]) -> None:
        """See Attachments."""

    async def remove(self, files: Collection[str]) -> None:
        """See Attachments."""
