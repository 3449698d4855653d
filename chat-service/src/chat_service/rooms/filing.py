"""Filing: who may upload a file to a room, and who may read it; and the sweep of what no message brings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import structlog

from chat_service.directory.files import FileRow
from chat_service.files.service import Files
from chat_service.log import RoomLog
from chat_service.model.entries import Entry
from chat_service.model.errors import ChatError, Code, not_found
from chat_service.model.permissions import Action
from chat_service.rooms.browsing import Browsing

KEPT_UNATTACHED_S = 24 * 3600
"""How long an upload waits for a message that brings it."""

SWEEP_PAGE = 200

log = structlog.get_logger()


class Filing:
    """Files as people see them. The log says which message brings one; only the way there is kept beside it.

    Every method raises ChatError: `not_found` for what is not there or may not be read, `unavailable` where
    a store cannot be reached.
    """

    def __init__(
        self,
        files: Files,
        room_log: RoomLog,
        browsing: Browsing,
        clock_ms: Callable[[], int],
    ) -> None:
        self._files = files
        self._log = room_log
        self._browsing = browsing
        self._clock_ms = clock_ms

    async def upload(
        self, user: str, room: str, name: str, chunks: AsyncIterator[bytes], declared: int | None
    ) -> FileRow:
        """Take a file in for a message that `user` is going to write to `room`; see `Files.take_in`."""
        await self._browsing.state(user, room, Action.SEND)
        return await self._files.take_in(room, user, name, chunks, declared)

    async def find(self, user: str, file: str) -> FileRow:
        """A file that `user` may read: brought by a message that they may read, or their own in none yet."""
        row = (await self._files.directory.rows([file])).get(file)
        if row is not None:
            message = await self._message(row)
            if message is None:
                if row.owner == user:
                    return row
            elif await self._may_read(user, message):
                return row
        raise not_found("There is no such file.")

    async def take_back(self, user: str, file: str) -> None:
        """Remove an upload of one's own that no message brings yet."""
        # The row first: a message cannot claim it any more, and the bytes alone would be swept.
        if not await self._files.directory.take_back(user, file):
            row = (await self._files.directory.rows([file])).get(file)
            if row is None or row.owner != user:
                raise not_found("There is no such file.")
            raise ChatError(Code.CONFLICT, "A message brings this file: delete the message.")
        await self._files.remove([file])

    async def usage(self, user: str) -> tuple[int, int]:
        """How many bytes somebody's files have, and how many they may have."""
        return await self._files.directory.used(user), self._files.limits.quota_of(user)

    async def content(self, row: FileRow, *, thumbnail: bool) -> AsyncIterator[bytes]:
        """The bytes of a file, or of its thumbnail, piece by piece."""
        try:
            async for chunk in self._files.content(row, thumbnail=thumbnail):
                yield chunk
        except KeyError as gone:  # its message was deleted meanwhile
            raise not_found("There is no such file.") from gone

    async def sweep(self) -> None:
        """Remove uploads that no message brings after KEPT_UNATTACHED_S, and objects that nothing knows of."""
        before, after, removed = self._clock_ms() - KEPT_UNATTACHED_S * 1000, "", 0
        while rows := await self._files.directory.unattached(before, after, SWEEP_PAGE):
            after = rows[-1].id
            for row in rows:
                message = await self._message(row)
                if message is not None and not message.redacted:
                    await self._files.attached([row.id])
                else:
                    await self._files.remove([row.id])
                    removed += 1
        removed += await self._files.sweep_objects(KEPT_UNATTACHED_S)
        if removed:
            log.info("files.swept", removed=removed)

    async def _message(self, row: FileRow) -> Entry | None:
        if row.key is None:
            return None
        found = await self._log.by_keys(row.room, [(row.owner, row.key)])
        return next(iter(found.values()), None)

    async def _may_read(self, user: str, message: Entry) -> bool:
        try:
            shown = await self._browsing.entry(user, message.room, message.seq)
        except ChatError as refusal:
            if refusal.retryable:
                raise
            return False
        return not shown.redacted
