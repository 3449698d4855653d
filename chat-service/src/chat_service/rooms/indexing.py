"""Indexing: what messages say goes into the index of searches, in the background, from a cursor in each log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from chat_service.directory.texts import Gone, MessageText, MessageTexts
from chat_service.log import RoomLog
from chat_service.model.entries import Entry, Kind
from chat_service.model.errors import ChatError
from chat_service.model.folding import Message
from chat_service.rooms.active import ActiveRooms
from chat_service.rooms.reading import LogReader

PAGE = 100
"""Entries that are indexed in one write: it shares the store's writer with the sends of people."""

GATHER_S = 0.2
"""How long a message waits for others that are indexed with it."""

RETRY_S = 5.0
_CHANGING = frozenset({Kind.EDIT, Kind.DELETE})

log = structlog.get_logger()


class Indexer:
    """Brings the index up to the logs; what a stop interrupts, the next start ends."""

    def __init__(self, room_log: RoomLog, texts: MessageTexts, reader: LogReader, rooms: ActiveRooms) -> None:
        self._log = room_log
        self._texts = texts
        self._reader = reader
        self._active = rooms
        self._rooms: dict[str, None] = {}
        self._swept = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def note(self, room: str) -> None:
        """Say that something was written to a room."""
        self._rooms[room] = None
        self._wake.set()

    def look_again(self) -> None:
        """Look through all rooms once more: another process may have written."""
        self._swept = False
        self._wake.set()

    async def start(self) -> None:
        """Find what an earlier process left undone and begin."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="indexer")

    async def stop(self) -> None:
        """End; what is half done is done again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def index(self, room: str) -> None:
        """Bring the index of a room up to its log's end."""
        loop = asyncio.get_running_loop()
        cursor = (await self._texts.cursors([room])).get(room, 0)
        while entries := await self._log.read(room, cursor, PAGE):
            began = loop.time()
            await self._index_page(room, entries)
            cursor = entries[-1].seq
            # At most half of the time is the index's: those who send come first.
            await asyncio.sleep(loop.time() - began)

    async def _run(self) -> None:
        while True:
            try:
                if not self._swept:
                    await self._sweep()
                    self._swept = True
                while self._rooms:
                    room = next(iter(self._rooms))
                    del self._rooms[room]
                    await self.index(room)
                self._wake.clear()
                await self._wake.wait()
                await asyncio.sleep(GATHER_S)
            except ChatError as problem:
                log.warning("indexer.waits", error=problem.message)
                self._swept = False
                await asyncio.sleep(RETRY_S)

    async def _sweep(self) -> None:
        after = ""
        while found := await self._log.changed_rooms(after, PAGE):
            after = found[-1][0]
            rooms = [room for room, _ in found]
            done = await self._texts.cursors(rooms)
            for room, head in (await self._log.heads(rooms)).items():
                if done.get(room, 0) < head.seq:
                    self.note(room)

    async def _index_page(self, room: str, entries: Sequence[Entry]) -> None:
        """Put what the messages that `entries` are about say now: edits that come later are in there already."""
        about = {entry.seq for entry in entries if entry.kind is Kind.MESSAGE}
        about |= {entry.target for entry in entries if entry.kind in _CHANGING and entry.target is not None}
        shown: list[Message] = []
        if about:
            state = (await self._active.load(room)).state
            shown = await self._reader.all_messages(state, sorted(about))
        ranges = [
            Gone(entry.body["upto"], entry.body.get("user", ""))
            for entry in entries
            if entry.kind in {Kind.RETAIN, Kind.ERASE}
        ]
        gone = about - {message.seq for message in shown}
        await self._texts.apply(room, entries[-1].seq, [_text(message) for message in shown], gone, ranges)


def _text(message: Message) -> MessageText:
    files = message.body.get("files", ())
    return MessageText(
        seq=message.seq,
        sender=message.sender,
        ts=message.ts,
        text="\n".join((message.body.get("text", ""), *(file["name"] for file in files))),
        has_file=bool(files),
    )
