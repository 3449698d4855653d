"""Files: taking uploads in, giving them to messages, handing them out, removing them."""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from chat_service.directory.files import FileDirectory, FileRow
from chat_service.files.kinds import HEAD_BYTES, IMAGES, OTHER, kind_of
from chat_service.files.names import clean_name
from chat_service.files.objects import Objects
from chat_service.files.thumbnails import Picture, picture_of
from chat_service.model.errors import ChatError, Code
from chat_service.model.ids import USER_GUEST, new_file_id

MEMORY_BYTES = 256 * 1024
"""How much of an upload is held in memory; the rest is on disk until it is whole."""

UPLOADS_PER_PERSON = 4
UPLOADS_PER_NODE = 32
THUMBNAILS_AT_ONCE = 2
CLAIMED_WITHIN_S = 23 * 3600
"""How old a file may be when a message claims it: an hour less than what the sweep leaves alone."""
SWEEP_PAGE = 500


@dataclass(frozen=True, slots=True)
class FileLimits:
    """Bytes: of one file, and of all files of a registered person and of a guest."""

    max_bytes: int
    quota_bytes: int
    guest_quota_bytes: int

    def quota_of(self, user: str) -> int:
        """How much `user` may keep."""
        return self.guest_quota_bytes if user[:1] == USER_GUEST else self.quota_bytes


class Files:
    """The files of one service; it is the `Attachments` of its rooms.

    What may be done by whom is decided above. Every method raises ChatError `unavailable` where the store of
    objects or the directory cannot be reached.
    """

    def __init__(
        self,
        directory: FileDirectory,
        objects: Objects,
        limits: FileLimits,
        spool: Path,
        clock_ms: Callable[[], int],
    ) -> None:
        self.directory = directory
        self.objects = objects
        self.limits = limits
        self._spool = spool
        self._clock_ms = clock_ms
        self._uploading: Counter[str] = Counter()
        self._thumbnails = asyncio.Semaphore(THUMBNAILS_AT_ONCE)

    async def take_in(
        self, room: str, owner: str, name: str, chunks: AsyncIterator[bytes], declared: int | None
    ) -> FileRow:
        """Keep an upload of `owner` for a message to `room`; it is durable once this returns.

        `declared` is how many bytes the sender says will come. Raises ChatError `too_large`,
        `quota_exceeded`, `rate_limited` (too many uploads at once), and whatever `chunks` raises; then
        nothing is kept.
        """
        self._need_size(declared or 0)
        self._need_quota(owner, await self.directory.used(owner) + (declared or 0))
        with self._turn(owner), tempfile.SpooledTemporaryFile(MEMORY_BYTES, dir=str(self._spool)) as spooled:
            size = 0
            async for chunk in chunks:
                size += len(chunk)
                self._need_size(size)
                await asyncio.to_thread(spooled.write, chunk)
            return await self._keep(owner, room, clean_name(name), size, cast("BinaryIO", spooled))

    async def claim(self, room: str, sender: str, key: str, files: Sequence[str]) -> Mapping[str, dict[str, Any]]:
        """See Attachments."""
        since = self._clock_ms() - CLAIMED_WITHIN_S * 1000
        rows = await self.directory.claim(room, sender, key, files, since)
        return {id_: described(row) for id_, row in rows.items()}

    async def attached(self, files: Collection[str]) -> None:
        """See Attachments."""
        await self.directory.attach(files)

    async def remove(self, files: Collection[str]) -> None:
        """See Attachments. The bytes go first: a row that is left says what is still to be removed."""
        for file in files:
            await self.objects.remove(_object(file))
            await self.objects.remove(_thumbnail(file))
        if files:
            await self.directory.remove(files)

    def content(self, row: FileRow, *, thumbnail: bool = False) -> AsyncIterator[bytes]:
        """The bytes of a file, or of its thumbnail, piece by piece. Raises KeyError where they are gone."""
        return self.objects.read(_thumbnail(row.id) if thumbnail else _object(row.id))

    async def sweep_objects(self, older_than_s: float) -> int:
        """Remove objects that no row knows of: an upload was cut off between the two. Returns how many."""
        removed = 0
        names = await self.objects.older_than(older_than_s)
        for start in range(0, len(names), SWEEP_PAGE):
            some = {name.rpartition("/")[2]: name for name in names[start : start + SWEEP_PAGE]}
            known = await self.directory.rows(list(some))
            for file in some.keys() - known.keys():
                await self.remove([file])
                removed += 1
        return removed

    async def close(self) -> None:
        """End the threads that reach the objects."""
        await self.objects.close()

    async def _keep(self, owner: str, room: str, name: str, size: int, spooled: BinaryIO) -> FileRow:
        spooled.seek(0)
        kind = kind_of(await asyncio.to_thread(spooled.read, HEAD_BYTES))
        picture = await self._picture(spooled) if kind in IMAGES else None
        row = FileRow(
            id=new_file_id(),
            room=room,
            owner=owner,
            name=name,
            type=OTHER if kind in IMAGES and picture is None else kind,
            size=size,
            ts=self._clock_ms(),
            width=None if picture is None else picture.width,
            height=None if picture is None else picture.height,
            thumbnail=picture is not None,
        )
        await self.objects.put(_object(row.id), spooled)
        if picture is not None:
            await self.objects.put(_thumbnail(row.id), io.BytesIO(picture.thumbnail))
        # The row last: what it speaks of is there. Objects without one are swept.
        if not await self.directory.add(row, self.limits.quota_of(owner)):
            await self.remove([row.id])
            raise _quota_exceeded(self.limits.quota_of(owner))
        return row

    async def _picture(self, spooled: BinaryIO) -> Picture | None:
        async with self._thumbnails:
            spooled.seek(0)
            return await asyncio.to_thread(picture_of, spooled)

    def _need_size(self, size: int) -> None:
        if size > self.limits.max_bytes:
            raise ChatError(Code.TOO_LARGE, f"A file has at most {self.limits.max_bytes} bytes.")

    def _need_quota(self, owner: str, size: int) -> None:
        quota = self.limits.quota_of(owner)
        if size > quota:
            raise _quota_exceeded(quota)

    @contextmanager
    def _turn(self, owner: str) -> Iterator[None]:
        if self._uploading[owner] >= UPLOADS_PER_PERSON or self._uploading.total() >= UPLOADS_PER_NODE:
            message = "Too many files are being uploaded at once. Wait for one to end."
            raise ChatError(Code.RATE_LIMITED, message, retry_after_ms=2000)
        self._uploading[owner] += 1
        try:
            yield
        finally:
            self._uploading[owner] -= 1
            if not self._uploading[owner]:
                del self._uploading[owner]


def described(row: FileRow) -> dict[str, Any]:
    """A file as the message that brings it describes it."""
    shape: dict[str, Any] = {"id": row.id, "name": row.name, "type": row.type, "size": row.size}
    if row.width is not None and row.height is not None:
        shape |= {"width": row.width, "height": row.height}
    return shape | {"thumbnail": row.thumbnail}


def _object(file: str) -> str:
    return f"files/{file}"


def _thumbnail(file: str) -> str:
    return f"thumbnails/{file}"


def _quota_exceeded(quota: int) -> ChatError:
    return ChatError(
        Code.QUOTA_EXCEEDED, f"Your files would be more than the {quota} bytes you may keep. Delete some first."
    )
