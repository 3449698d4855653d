"""A client that keeps a connection to some node: it notices silence, backs off, and comes back."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

from chaos.clients import wire
from chaos.clients.websocket import WebSocket
from chaos.history import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.clients.doors import Door, Doors
    from chaos.clients.wire import EntryDecoder, WireAnswer
    from chaos.history import History, LogEntry

CONNECT_S = 5.0
"""How long connecting may take before another node is tried."""

BACK_FIRST_S, BACK_MOST_S = 0.1, 2.0
"""Pauses before coming back: doubled from the first to the most, each cut short by chance."""


class ConnectingClient:
    """One connection at a time, of one person. A subclass says what is done with it."""

    def __init__(
        self, name: str, user: str, token: str, doors: Doors, history: History, decoder: EntryDecoder, seed: str
    ) -> None:
        self.name = name
        self.user = user
        self.history = history
        self.connection: Connection | None = None
        """The connection there is; None while there is none."""
        self.refused = ""
        """Why the service lets this person in no more, where it does not."""
        self._token = token
        self._doors = doors
        self._decoder = decoder
        self._chance = random.Random(f"{seed} {name} doors")
        self._made = 0
        self._websocket: WebSocket | None = None
        self._door: Door | None = None
        self._silence_s = 60.0
        self._asked: dict[int, Callable[[WireAnswer], None]] = {}
        self._asks = 0
        self._decided = asyncio.Event()
        """Set once it is let in, or not."""
        self._over = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._leaving: asyncio.TimerHandle | None = None

    # -- what a subclass does -------------------------------------------------------------------------

    def has_connected(self, connection: Connection) -> None:
        """There is a connection."""

    def has_lost(self) -> None:
        """It is over; answers that were waited for do not come any more."""

    def take_entry(self, room: str, entry: LogEntry) -> None:
        """A live entry came."""

    def take_event(self, name: str, payload: dict[str, Any]) -> None:
        """Another event came."""

    # -- life -----------------------------------------------------------------------------------------

    def start(self, door: Door | None = None) -> None:
        """Connect, to `door` first where it is given, and come back from now on."""
        self._life = asyncio.get_running_loop().create_task(self._live(door), name=self.name)

    async def stop(self) -> None:
        """Cut the connection and come back no more."""
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)
        self.cut("stopped")

    def cut(self, why: str) -> None:
        """Cut the TCP connection; it comes back."""
        if self._websocket is not None:
            self._websocket.cut(why)

    def stop_reading(self) -> None:
        """Take nothing more from the socket; silence is not noticed any more."""
        self._silence_s = float("inf")
        if self._websocket is not None:
            self._websocket.pause()

    def watch(self, now: float) -> None:
        """Give the connection up where the server has been silent for too long (event loop time)."""
        websocket = self._websocket
        if websocket is not None and now - websocket.heard > self._silence_s:
            websocket.cut("the server is silent")

    def ask(self, event: str, payload: dict[str, Any], answered: Callable[[WireAnswer], None]) -> None:
        """Send an event; `answered` is called in the step in which its acknowledgement arrives."""
        if self._websocket is not None:
            self._asks += 1
            self._asked[self._asks] = answered
            self._websocket.send(wire.request(self._asks, event, payload))

    async def _live(self, door: Door | None) -> None:
        failed = 0
        while not self.refused:
            door = door or self._doors.choose(self._chance, self._door)
            self._door, before = door, self._made
            self._decided.clear()
            self._over.clear()
            retry_after_s = 0.0
            try:
                async with asyncio.timeout(CONNECT_S):
                    websocket = WebSocket(door.host, door.port, self._take, self._ended)
                    self._websocket = websocket
                    await websocket.connect()
                    await self._decided.wait()
                await self._over.wait()
                if websocket.refusal is not None:
                    retry_after_s = websocket.refusal.retry_after_s
            except (OSError, TimeoutError):
                self.cut("no connection came about")
                self._websocket = None
            failed = 0 if self._made > before else failed + 1
            door = None
            pause_s = min(BACK_MOST_S, BACK_FIRST_S * 2**failed) * self._chance.uniform(0.5, 1)
            await asyncio.sleep(max(pause_s, min(retry_after_s, BACK_MOST_S)))

    def _ended(self, why: str) -> None:
        self._websocket = None
        self._decided.set()
        self._over.set()
        self._asked.clear()
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        if self.connection is not None:
            self.connection.ended, self.connection.why = time.monotonic(), why
            self.connection = None
            self.has_lost()

    def leave_within(self, seconds: float) -> None:
        """Go to another node at a random moment within `seconds`: this one is leaving."""
        if self._leaving is None:
            after = self._chance.uniform(0, seconds)
            self._leaving = asyncio.get_running_loop().call_later(after, self.cut, "told that the node leaves")

    # -- what is received -----------------------------------------------------------------------------

    def _take(self, packet: bytes) -> None:
        found = self._decoder.entry(packet)
        if found is not None:
            self.take_entry(*found)
            return
        kind = packet[:2]
        if kind == b"42":
            self.take_event(*wire.event(packet))
        elif kind == b"43":
            number, answer = wire.answer(packet)
            answered = self._asked.pop(number, None)
            if answered is None:
                self.history.complaints.append(f"{self.name}: an answer to nothing: {packet[:200]!r}")
            else:
                answered(answer)
        else:
            self._take_control(packet)

    def _take_control(self, packet: bytes) -> None:
        websocket = self._websocket
        if websocket is None:
            return
        if packet == b"2":
            websocket.send(b"3")
        elif packet[:1] == b"0":
            told = wire.decode_handshake(packet[1:])
            self._silence_s = (told.pingInterval + told.pingTimeout) / 1000
            websocket.send(b"40/chat," + wire.encode({"token": self._token}))
        elif packet.startswith(b"40"):
            self._made += 1
            door = self._door
            node = "" if door is None else door.node
            made = Connection(self.name, f"{self.name}#{self._made}", node, time.monotonic())
            self.connection = made
            self._decided.set()
            self.history.connections.append(made)
            self.has_connected(made)
        elif packet.startswith(b"44/chat,"):
            error = wire.decode_error(wire.refusal(packet))
            if not error.retryable:
                self.refused = error.code
            websocket.cut(f"refused: {error.code}")
        elif packet[:2] == b"41":
            self.refused = "disconnected by the service"
            websocket.cut(self.refused)
        elif packet[:1] == b"1":
            websocket.cut("closed by the server")
