"""Readers as the heart sees them, and clients that check everything they are given."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from chat_service.bus import Item
from chat_service.model.errors import ChatError
from chat_service.rooms.opening import Held, Opened
from chat_service.rooms.service import Rooms

from .entries import ROOM
from .virtual_time import virtual_loop


class Entries(NamedTuple):
    """Entries of a room as they are written to every reader of the dialect."""

    wires: tuple[bytes, ...]


class Event(NamedTuple):
    """Anything that is no entry."""

    name: str
    wire: bytes


class PlainDialect:
    """A protocol whose frames are what they say, and which may have no word for events.

    `takes_s` is how long it encodes, on a virtual clock.
    """

    def __init__(self, *, has_events: bool = True) -> None:
        self.takes_s = 0.0
        self._has_events = has_events

    def entries(self, items: Sequence[Item]) -> Entries:
        """See Dialect."""
        if self.takes_s:
            virtual_loop().turn_clock(self.takes_s)
        return Entries(tuple(item.wire for item in items))

    def event(self, name: str, wire: bytes) -> Event | None:
        """See Dialect."""
        return Event(name, wire) if self._has_events else None


PLAIN = PlainDialect()


class PlainReader:
    """`Reader` that keeps what is written to it; the test says when it is congested, and when it is gone."""

    def __init__(self, reader_id: str, user: str, dialect: PlainDialect = PLAIN) -> None:
        self.id = reader_id
        self.user = user
        self.dialect = dialect
        self.congested = False
        self.open = True
        self.restarted = 0
        self.written: list[Entries | Event] = []
        self._drained = asyncio.Event()
        self._drained.set()

    def write(self, frames: Any) -> None:
        """See Reader."""
        assert not (isinstance(frames, Entries) and self.congested), "entries written to a reader that is full"
        if self.open:
            self.written.append(frames)

    def restart(self) -> None:
        """See Reader."""
        self.restarted += 1

    def congest(self) -> None:
        """Take no more."""
        self.congested = True
        self._drained.clear()

    def drain(self) -> None:
        """Take more again."""
        self.congested = False
        self._drained.set()

    def leave(self) -> None:
        """Be gone."""
        self.open = False
        self._drained.set()

    async def drained(self) -> bool:
        """See Reader."""
        await self._drained.wait()
        return self.open

    def entries(self) -> list[dict[str, Any]]:
        """Every entry written, in order."""
        frames = [frame for frame in self.written if isinstance(frame, Entries)]
        return [msgspec.json.decode(wire) for frame in frames for wire in frame.wires]

    def seqs(self) -> list[int]:
        """Their seqs."""
        return [entry["seq"] for entry in self.entries()]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Every other event of that name."""
        frames = [frame for frame in self.written if isinstance(frame, Event) and frame.name == name]
        return [msgspec.json.decode(frame.wire) for frame in frames]


class Client(PlainReader):
    """One connection of a client that opens ROOM, and what it holds of it.

    It asserts that each entry follows the one before, by seq and by id. What it was given is in `given`: the
    seq, the id, and whether the body was there.
    """

    def __init__(self, reader_id: str, user: str, rooms: Rooms, before: Client | None = None) -> None:
        super().__init__(reader_id, user)
        self.rooms = rooms
        self.live = False
        self.removed = False
        self.opening: asyncio.Task[None] | None = None
        self.refusal: ChatError | None = None
        self.resets = 0
        self.wrong: AssertionError | None = None
        self.held = before.held if before is not None else Held()

    def ask_to_open(self) -> None:
        """Send room:open with what is held."""
        if self.opening is None or self.opening.done():
            self.live = self.removed = False
            self.opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        self.refusal = None
        try:
            opened, _ = await self.rooms.open(self, ROOM, self.held)
        except ChatError as problem:
            self.refusal = problem
            return
        if not self.open:  # as the namespace does where the connection went meanwhile
            self.rooms.close(self, ROOM)
            return
        self.answered(opened)

    def answered(self, opened: Opened) -> None:
        """Take the answer in."""
        if opened.reset is not None:
            self.resets += 1
            self.held = Held(opened.reset.as_of, None, opened.epoch)
        elif self.held.after is None:
            raise AssertionError("a client that holds nothing needs a reset")
        for raw in opened.entries:
            self._take(msgspec.json.decode(raw))
        assert opened.last_seq == self.held.after
        self.held = Held(opened.last_seq, opened.last_id, opened.epoch)
        self.live = not opened.more

    def write(self, frames: Any) -> None:
        """See Reader. What is wrong is kept: who writes may be a task whose errors are only logged."""
        try:
            self._write(frames)
        except AssertionError as wrong:
            self.wrong = self.wrong or wrong
            raise

    def _write(self, frames: Any) -> None:
        super().write(frames)
        if not self.open:
            return
        if isinstance(frames, Entries):
            assert self.live, "entries before the answer to room:open, or after the end of the subscription"
            for wire in frames.wires:
                self._take(msgspec.json.decode(wire))
        elif frames.name == "notice":
            self._noticed(msgspec.json.decode(frames.wire)["kind"])

    def _noticed(self, kind: str) -> None:
        if kind in {"resync", "removed"}:
            self.live = False
            self.removed = kind == "removed"

    def _take(self, entry: dict[str, Any]) -> None:
        assert entry["seq"] == (self.held.after or 0) + 1, f"expected {(self.held.after or 0) + 1}, got {entry}"
        self.held = Held(entry["seq"], entry["id"], self.held.epoch)
        self.took(entry)

    def took(self, entry: dict[str, Any]) -> None:
        """Look at what was given; for subclasses that check more."""

    def went(self) -> None:
        """The connection is gone."""
        self.leave()
        self.live = False
        self.rooms.disconnect(self, {ROOM})
