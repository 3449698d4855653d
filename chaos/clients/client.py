"""A client as the protocol asks for it: it keeps rooms open, and repeats what was not answered, in order.

Whatever it asked for and was told is in the history, in the order in which that happened.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from chaos.clients.connecting import ConnectingClient
from chaos.history import Acked, Attempt, Connection, Ended, Event, Kind, Opened, Operation, Refused, Shown, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaos.clients.wire import WireAnswer, WireError
    from chaos.history import LogEntry

ANSWER_S = 6.0
"""How long an answer may take; then the connection counts as dead, and the outcome as unknown."""

OPEN_AGAIN_S = 0.3
"""Least pause before an opening is tried again that was refused for now."""

_EVENTS = {
    Kind.SEND: "message:send",
    Kind.EDIT: "message:edit",
    Kind.DELETE: "message:delete",
    Kind.REACT: "reaction:set",
    Kind.MARK: "read:mark",
}
_KEPT_TARGETS = 50


@dataclass(slots=True, eq=False)
class OpenRoom:
    """A room that a client keeps open: what it holds, and whether it is live."""

    room: str
    stream: Stream
    seq: int | None = None
    id: str = ""
    epoch: str = ""
    live: bool = False
    away: bool = False
    """Whether the service said that it may not be read (any more)."""
    others: deque[int] = field(default_factory=lambda: deque(maxlen=_KEPT_TARGETS))
    """Messages that were shown, for reactions and read markers."""


class Client(ConnectingClient):
    """One client of one person; see ConnectingClient for how it stays connected."""

    def __init__(self, *told: Any, rooms: Sequence[str]) -> None:
        super().__init__(*told)
        self.rooms: dict[str, OpenRoom] = {}
        for room in rooms:
            self.rooms[room] = OpenRoom(room, self.history.stream(self.name, self.user, room))
        self.mine: defaultdict[str, deque[int]] = defaultdict(lambda: deque(maxlen=_KEPT_TARGETS))
        """Own messages that can be edited or deleted, by room."""
        self.pending: dict[str, Operation] = {}
        self._unsent: set[str] = set()
        self._echoes = 0
        """Repeats that are on their way."""
        self._repeating: asyncio.TimerHandle | None = None

    @property
    def settled(self) -> bool:
        """Whether it is connected, every room is live, and nothing waits for an answer."""
        there = all(room.live or room.away for room in self.rooms.values())
        return self.connection is not None and there and not self.pending and not self._echoes

    # -- operations -----------------------------------------------------------------------------------

    def do(self, operation: Operation) -> None:
        """Send an operation, now or once connected, and again until it is answered for good."""
        self.history.operations.append(operation)
        self.pending[operation.key] = operation
        if self.connection is not None and self._repeating is None:
            self._transmit(operation)
        else:
            self._unsent.add(operation.key)

    def echo(self, operation: Operation) -> None:
        """Send an operation once more, from here, as a repeat that was long on its way; only where connected.

        Until it is answered for good, as the protocol asks for: what the room is sent after it waits for that.
        """
        if self.connection is not None and operation.attempts:
            self._echoes += 1
            self._put(operation, self.connection, partial(self._echoed, operation, self.connection))

    def _transmit(self, operation: Operation) -> None:
        if self.connection is None:
            return
        self._unsent.discard(operation.key)
        self._put(operation, self.connection, partial(self._answered, operation, self.connection.node))

    def _put(self, operation: Operation, connection: Connection, answered: Any) -> None:
        operation.attempts.append(Attempt(connection.name, connection.node, time.monotonic()))
        self.ask(_EVENTS[operation.kind], _payload(operation), answered)

    def _echoed(self, operation: Operation, connection: Connection, answer: WireAnswer) -> None:
        self._note(operation, connection.node, answer)
        if answer.error is not None and answer.error.retryable:
            after_s = answer.error.retry_after_ms / 1000 * self._chance.uniform(1, 1.5)
            asyncio.get_running_loop().call_later(after_s, self._echo_again, operation, connection)
        else:
            self._echoes -= 1

    def _echo_again(self, operation: Operation, connection: Connection) -> None:
        if self.connection is connection:
            self._put(operation, connection, partial(self._echoed, operation, connection))

    def _answered(self, operation: Operation, node: str, answer: WireAnswer) -> None:
        self._note(operation, node, answer)
        if answer.error is not None and answer.error.retryable:
            self._unsent.add(operation.key)
            self._repeat_later(answer.error)
            return
        self.pending.pop(operation.key, None)
        if answer.ok and operation.kind is Kind.SEND:
            self.mine[operation.room].append(answer.seq)

    def _note(self, operation: Operation, node: str, answer: WireAnswer) -> None:
        now = time.monotonic()
        if answer.error is None:
            operation.acks.append(Acked(answer.seq, answer.id, answer.duplicate, node, now))
        else:
            operation.refusals.append(Refused(answer.error.code, answer.error.retryable, node, now))

    def _repeat_later(self, error: WireError) -> None:
        if self._repeating is None:
            after_s = error.retry_after_ms / 1000 * self._chance.uniform(1, 1.5)
            self._repeating = asyncio.get_running_loop().call_later(after_s, self._repeat)

    def _repeat(self) -> None:
        self._repeating = None
        for operation in [one for key, one in self.pending.items() if key in self._unsent]:
            self._transmit(operation)

    def watch(self, now: float) -> None:
        """Also give a connection up that leaves an operation unanswered for too long."""
        super().watch(now)
        connection = self.connection
        if connection is not None:
            waited = (one.attempts[-1].at for key, one in self.pending.items() if key not in self._unsent)
            if time.monotonic() - max(min(waited, default=time.monotonic()), connection.opened) > ANSWER_S:
                self.cut("an operation is not answered")

    # -- what happens to the connection ---------------------------------------------------------------

    def has_connected(self, connection: Connection) -> None:
        """Go on in every room, and repeat what was not answered, in order."""
        for room in self.rooms.values():
            if not room.away:
                self._open(room)
        for operation in list(self.pending.values()):
            if operation.abandoned and operation.attempts:
                del self.pending[operation.key]
            else:
                self._transmit(operation)

    def has_lost(self) -> None:
        """No room is live any more, and what was on its way is not answered."""
        self._echoes = 0
        if self._repeating is not None:
            self._repeating.cancel()
            self._repeating = None
        for room in self.rooms.values():
            room.live = False

    # -- rooms ----------------------------------------------------------------------------------------

    def come_back_to(self, room: str) -> None:
        """Open a room again that had been taken away."""
        found = self.rooms[room]
        if found.away:
            found.away = False
            self._open(found)

    def take_entry(self, room: str, entry: LogEntry) -> None:
        """Record it."""
        found = self.rooms.get(room)
        if found is None:
            self.history.complaints.append(f"{self.name}: shown {entry.seq} of {room}, which it never opened")
        else:
            self._show(found, entry, paged=False)

    def take_event(self, name: str, payload: dict[str, Any]) -> None:
        """Do what a notice asks for."""
        room = payload.get("room", "")
        if name == "unread":
            self.history.events.append(Event(self.name, self.user, name, room, time.monotonic()))
        elif name == "notice":
            kind = payload["kind"]
            if kind == "resync" and room in self.rooms:
                self._open(self.rooms[room])
            elif kind == "removed" and room in self.rooms:
                self._taken_away(self.rooms[room])
            elif kind == "draining" and self._chance.random() < 0.5:
                self.leave_within(payload["jitter_ms"] / 1000)

    def _show(self, room: OpenRoom, entry: LogEntry, *, paged: bool) -> None:
        room.stream.steps.append(Shown(entry, paged, time.monotonic()))
        room.seq, room.id = entry.seq, entry.id
        if entry.kind == Kind.SEND.value:
            room.others.append(entry.seq)

    def _taken_away(self, room: OpenRoom) -> None:
        room.stream.steps.append(Ended(time.monotonic()))
        room.seq, room.id, room.epoch, room.live, room.away = None, "", "", False, True

    def _open(self, room: OpenRoom) -> None:
        room.live = False
        if self.connection is None:
            return
        held: dict[str, Any] = {"room": room.room}
        if room.seq is not None:
            held |= {"after": room.seq, "epoch": room.epoch} | ({"after_id": room.id} if room.id else {})
        self.ask("room:open", held, partial(self._opened, room, self.connection, time.monotonic()))

    def _opened(self, room: OpenRoom, connection: Connection, begun: float, answer: WireAnswer) -> None:
        if answer.error is not None:
            self._not_opened(room, answer.error)
            return
        reset = answer.reset
        position = (room.seq or 0) if reset is None else reset.as_of
        room.stream.steps.append(
            Opened(
                connection=connection.name,
                node=connection.node,
                begun=begun,
                at=time.monotonic(),
                epoch=answer.epoch,
                held=room.seq,
                position=position,
                last_seq=answer.last_seq,
                live=not answer.more,
                reset=None if reset is None else tuple(message.recorded() for message in reset.messages),
                online=tuple(answer.online),
            )
        )
        room.seq, room.epoch = position, answer.epoch
        for entry in answer.entries:
            self._show(room, entry.recorded(), paged=True)
        if room.seq != answer.last_seq:
            ends = f"told that it ends at {answer.last_seq}, was given up to {room.seq}"
            self.history.complaints.append(f"{self.name} in {room.room}: {ends}")
        room.id = answer.last_id
        if answer.more:
            self._open(room)
        else:
            room.live = True

    def _not_opened(self, room: OpenRoom, error: WireError) -> None:
        if not error.retryable:
            self._taken_away(room)
            return
        after_s = max(OPEN_AGAIN_S, error.retry_after_ms / 1000) * self._chance.uniform(1, 1.5)
        asyncio.get_running_loop().call_later(after_s, self._open_again, room, self.connection)

    def _open_again(self, room: OpenRoom, connection: Connection | None) -> None:
        if connection is not None and self.connection is connection and not room.away:
            self._open(room)


def _payload(operation: Operation) -> dict[str, Any]:
    if operation.kind is Kind.MARK:
        return {"room": operation.room, "seq": operation.target}
    payload: dict[str, Any] = {"room": operation.room, "key": operation.key}
    if operation.kind in {Kind.SEND, Kind.EDIT}:
        payload["body"] = {"text": operation.text}
    if operation.kind is not Kind.SEND:
        payload["target"] = operation.target
    if operation.kind is Kind.REACT:
        payload |= {"emoji": operation.emoji, "on": operation.on}
    return payload
