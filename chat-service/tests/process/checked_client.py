"""A client of protocol v1 that survives everything, and writes down all it asks for and is told.

It opens its rooms again from where it stands and repeats what was not acked, with the same keys and in the
same order.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from eventually import eventually
from history import Acked, History, Link, Notice, Opening, Refused, Sent, Shown, Stream
from reconnecting_client import ReconnectingClient
from rest_people import Person

_now = time.monotonic


@dataclass(slots=True, eq=False)
class OpenRoom:
    """A room that the client keeps open: what it holds, and whether it is live."""

    room: str
    stream: Stream
    seq: int | None = None
    id: str = ""
    epoch: str = ""
    live: asyncio.Event = field(default_factory=asyncio.Event)
    refused: dict[str, Any] | None = None


@dataclass(slots=True, eq=False)
class _Pending:
    sent: Sent
    text: str
    outcome: asyncio.Future[Acked | Refused]
    on_its_way: bool = False


class CheckedClient(ReconnectingClient):
    """One client of `person`; see ReconnectingClient for the options."""

    def __init__(self, person: Person, history: History, name: str, **options: Any) -> None:
        super().__init__(person, history, name, **options)
        self._rooms: dict[str, OpenRoom] = {}
        self._pending: dict[str, _Pending] = {}
        self._made = 0
        self._repeat_timer: asyncio.TimerHandle | None = None

    async def open(self, room: str, within_s: float = 10) -> OpenRoom:
        """Keep a room open from now on; returns when it is live for the first time, or refused."""
        found = self._rooms[room] = OpenRoom(room, self.history.stream(self.name, room))
        if self.connected.is_set():
            self._open(found)
        async with asyncio.timeout(within_s):
            await found.live.wait()
        return found

    def room(self, room: str) -> OpenRoom:
        """A room that it keeps open."""
        return self._rooms[room]

    def post(self, room: str, text: str) -> asyncio.Future[Acked | Refused]:
        """Send a message, now or when connected, again and again until it is answered for good."""
        self._made += 1
        sent = Sent(self.name, self.person.user, room, f"{self.name}.{self._made}", hash(text))
        self.history.sends.append(sent)
        pending = _Pending(sent, text, asyncio.get_running_loop().create_future())
        self._pending[sent.key] = pending
        if self.connected.is_set() and self._repeat_timer is None:
            self._transmit(pending)
        return pending.outcome

    async def say(self, room: str, text: str, within_s: float = 15) -> Acked:
        """`post`, and wait for the ack."""
        async with asyncio.timeout(within_s):
            outcome = await self.post(room, text)
        assert isinstance(outcome, Acked), outcome
        return outcome

    @property
    def waiting(self) -> int:
        """How many messages are not answered for good."""
        return len(self._pending)

    async def settled(self, within_s: float = 30) -> None:
        """Wait until every message is answered for good."""
        async with asyncio.timeout(within_s):
            while self._pending:
                await asyncio.wait([pending.outcome for pending in self._pending.values()], timeout=0.1)

    async def reaches(self, room: str, seq: int, within_s: float = 30) -> None:
        """Wait until it was shown a room up to `seq`."""
        found = self._rooms[room]
        await eventually(lambda: found.seq is not None and found.seq >= seq and found.live.is_set(), within_s)

    # -- what happens to the connection ---------------------------------------------------------------

    def has_connected(self) -> None:
        """Repeat what was not answered for good, in order, and go on in every room."""
        for pending in self._pending.values():
            self._transmit(pending)
        for room in self._rooms.values():
            self._open(room)

    def has_lost(self) -> None:
        """Nothing is on its way any more, and no room is live."""
        if self._repeat_timer is not None:
            self._repeat_timer.cancel()
            self._repeat_timer = None
        for pending in self._pending.values():
            pending.on_its_way = False
        for room in self._rooms.values():
            room.live.clear()

    def take_event(self, name: str, payload: dict[str, Any]) -> None:
        """Record it; a room that has to start over is opened again."""
        if name == "entry":
            room = self._rooms.get(payload["room"])
            if room is None:
                self.complain(f"an entry of {payload['room']}, which is not open")
            else:
                self._take_entry(room, payload)
            return
        self.history.notices.append(Notice(self.name, name, payload, _now()))
        if name == "notice" and payload["kind"] == "resync" and payload["room"] in self._rooms:
            self._open(self._rooms[payload["room"]])

    def _take_entry(self, room: OpenRoom, entry: dict[str, Any]) -> None:
        shown = _shown(entry, entry["kind"])
        room.stream.steps.append(shown)
        room.seq, room.id = shown.seq, shown.id

    # -- rooms ----------------------------------------------------------------------------------------

    def _open(self, room: OpenRoom) -> None:
        room.live.clear()
        held: dict[str, Any] = {}
        if room.seq is not None:
            held = {"after": room.seq, "epoch": room.epoch}
            if room.id:
                held["after_id"] = room.id
        self.ask_for("room:open", {"room": room.room, **held}, partial(self._opened, room))

    def _opened(self, room: OpenRoom, answer: dict[str, Any]) -> None:
        if not answer["ok"]:
            if answer["error"]["retryable"]:
                asyncio.get_running_loop().call_later(0.05, self._open_again, room, self.link)
            else:
                room.refused = answer["error"]
                room.live.set()
            return
        reset = answer.get("reset")
        position = room.seq if reset is None else reset["as_of"]
        page = () if reset is None else tuple(_shown(message, "message") for message in reset["messages"])
        if position is None:
            self.complain(f"{room.room} opened in the middle, though nothing is held of it")
            position = 0
        if reset is None and room.epoch and answer["epoch"] != room.epoch:
            self.complain(f"{room.room} of another epoch goes on where the old one was")
        room.stream.steps.append(
            Opening(self.link.number, answer["epoch"], position, reset is not None, page, _now())
        )
        room.seq, room.epoch = position, answer["epoch"]
        for entry in answer["entries"]:
            self._take_entry(room, entry)
        if room.seq != answer["last_seq"] or (answer["entries"] and room.id != answer["last_id"]):
            self.complain(f"{room.room}: told it ends at {answer['last_seq']}, was given up to {room.seq}")
        room.id = answer["last_id"]
        if answer["more"]:
            self._open(room)
        else:
            room.live.set()

    def _open_again(self, room: OpenRoom, link: Link) -> None:
        if self.connected.is_set() and self.link is link:
            self._open(room)

    # -- messages -------------------------------------------------------------------------------------

    def _transmit(self, pending: _Pending) -> None:
        sent = pending.sent
        pending.on_its_way = True
        sent.attempts.append(self.link.number)
        if sent.begun is None:
            sent.begun = _now()
        payload = {"room": sent.room, "key": sent.key, "body": {"text": pending.text}}
        self.ask_for("message:send", payload, partial(self._answered, pending))

    def _answered(self, pending: _Pending, answer: dict[str, Any]) -> None:
        sent = pending.sent
        outcome: Acked | Refused
        if answer["ok"]:
            outcome = Acked(answer["seq"], answer["id"], answer["duplicate"], _now())
            sent.acks.append(outcome)
        else:
            error = answer["error"]
            outcome = Refused(error["code"], error["retryable"], _now())
            sent.refusals.append(outcome)
            if outcome.retryable:
                pending.on_its_way = False
                self._repeat_later(error.get("retry_after_ms", 50) / 1000)
                return
        del self._pending[sent.key]
        if not pending.outcome.done():
            pending.outcome.set_result(outcome)

    def _repeat_later(self, after_s: float) -> None:
        if self._repeat_timer is None:
            self._repeat_timer = asyncio.get_running_loop().call_later(after_s, self._repeat)

    def _repeat(self) -> None:
        self._repeat_timer = None
        for pending in self._pending.values():
            if not pending.on_its_way:
                self._transmit(pending)


def _shown(entry: dict[str, Any], kind: str) -> Shown:
    text = entry.get("body", {}).get("text") if kind == "message" else None
    return Shown(
        seq=entry["seq"],
        id=entry["id"],
        kind=kind,
        sender=entry["sender"],
        key=entry.get("key") or "",
        said=None if text is None else hash(text),
        at=_now(),
    )
