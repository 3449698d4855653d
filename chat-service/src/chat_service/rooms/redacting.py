"""Overwriting the bodies that a redaction took out of view, from a cursor, as often as it takes.

The entry that redacts is in the log first and masks on every read path at once; this makes the words go from
the store itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from chat_service.directory.rooms import RoomDirectory
from chat_service.log import RoomLog
from chat_service.model.entries import Entry, Kind
from chat_service.model.errors import ChatError
from chat_service.rooms.attachments import Attachments
from chat_service.rooms.backoff import jittered

PAGE = 200
RETRY_S = 5.0

log = structlog.get_logger()


class Redactor:
    """Works through the redactions of rooms in the background; what a stop interrupts, the next start ends."""

    def __init__(self, room_log: RoomLog, directory: RoomDirectory, attachments: Attachments) -> None:
        self._log = room_log
        self._directory = directory
        self._attachments = attachments
        self._rooms: dict[str, None] = {}
        self._swept = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def note(self, room: str) -> None:
        """Say that a room has a redaction to be worked through."""
        self._rooms[room] = None
        self._wake.set()

    def look_again(self) -> None:
        """Look through all rooms once more: another process may have written redactions."""
        self._swept = False
        self._wake.set()

    async def start(self) -> None:
        """Find what an earlier process left undone and begin."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="redactor")

    async def stop(self) -> None:
        """Stop between two pages."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                if not self._swept:
                    await self._sweep()
                    self._swept = True
                while self._rooms:
                    room = next(iter(self._rooms))
                    del self._rooms[room]
                    await self.overwrite(room)
                self._wake.clear()
                await self._wake.wait()
            except ChatError as problem:
                log.warning("redactor.waits", error=problem.message)
                self._swept = False
                await asyncio.sleep(jittered(RETRY_S))

    async def _sweep(self) -> None:
        after = ""
        while found := await self._log.redacted_rooms(after, PAGE):
            after = found[-1][0]
            done = await self._directory.redacted_upto([room for room, _ in found])
            for room, seq in found:
                if done.get(room, 0) < seq:
                    self.note(room)

    async def overwrite(self, room: str) -> None:
        """Overwrite whatever the room's redactions beyond its cursor cover, and move the cursor on."""
        cursor = (await self._directory.redacted_upto([room])).get(room, 0)
        while redactions := await self._log.redactions(room, cursor, PAGE):
            for redaction in redactions:
                await self._overwrite_one(room, redaction)
            cursor = redactions[-1].seq
            await self._directory.set_redacted_upto(room, cursor)

    async def _overwrite_one(self, room: str, redaction: Entry) -> None:
        if redaction.kind is Kind.DELETE and redaction.target is not None:
            await self._overwrite_messages(room, [redaction.target])
            return
        sender = redaction.body.get("user", "")
        after, upto = 0, redaction.body["upto"]
        while seqs := await self._log.written_by(room, sender, after, upto, PAGE):
            await self._overwrite_messages(room, seqs)
            after = seqs[-1]

    async def _overwrite_messages(self, room: str, seqs: Sequence[int]) -> None:
        # Edits first: they can stand beyond a range, and are found by what they edit, while that is listed.
        related = await self._log.targeting(room, seqs)
        messages = await self._log.at(room, seqs)
        # While the message still names its files: what a stop interrupts here is begun again.
        await self._attachments.remove(
            [file["id"] for one in messages.values() for file in one.body.get("files", ())]
        )
        await self._log.overwrite(room, [entry.seq for entry in related if entry.kind is Kind.EDIT])
        await self._log.overwrite(room, seqs)
