"""A Socket.IO client of the namespace /chat that comes back by itself, over either transport.

Whatever it receives is taken in the very step in which it is received: what its subclass records is what the
server sent, in that order.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from typing import Any

import msgspec
from engine_transports import HandshakeRefusedError, LostError, PollingTransport, Transport, WebSocketTransport
from history import History, Link
from rest_people import Person

NAMESPACE = "/chat,"
Answer = Callable[[dict[str, Any]], None]

_encode = msgspec.json.encode
_decode = msgspec.json.decode


class ConnectRefusedError(Exception):
    """The server does not let this person in, and coming back would not help."""


class ReconnectingClient:
    """Keeps a connection of `person`. `name` is its own in the history."""

    def __init__(
        self,
        person: Person,
        history: History,
        name: str,
        *,
        polling: bool = False,
        receive_buffer: int = 0,
        back_after_s: tuple[float, float] = (0.01, 0.05),
    ) -> None:
        self.person = person
        self.name = name
        self.history = history
        self.connected = asyncio.Event()
        self.comes_back = True
        self.refusal: dict[str, Any] | None = None
        """Why the server let it in no more, where it did not."""
        self.link = Link(name, 0, 0.0)
        """Its newest connection."""
        self._polling = polling
        self._receive_buffer = receive_buffer
        self._back_after_s = back_after_s
        self._random = random.Random(name)
        self._transport: Transport | None = None
        self._outgoing: list[str] = []
        self._something_goes_out = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._may_connect = asyncio.Event()
        self._may_connect.set()
        self._asked: dict[int, Answer] = {}
        self._ack_id = 0
        self._life: asyncio.Task[None] | None = None

    # -- what a subclass does -------------------------------------------------------------------------

    def has_connected(self) -> None:
        """There is a new connection."""

    def has_lost(self) -> None:
        """The connection is over; answers that were waited for do not come any more."""

    def take_event(self, name: str, payload: dict[str, Any]) -> None:
        """The server sent an event."""

    # -- life -----------------------------------------------------------------------------------------

    async def start(self, within_s: float = 10) -> None:
        """Connect, and come back from now on; returns when connected for the first time."""
        self._life = asyncio.get_running_loop().create_task(self._live(), name=self.name)
        async with asyncio.timeout(within_s):
            await self.connected.wait()

    async def stop(self) -> None:
        """Close politely and come back no more."""
        self.comes_back = False
        self._reading.set()
        if self._transport is not None:
            await self._transport.close()
        await self._end()

    async def cut(self) -> None:
        """Cut the TCP connection; it comes back."""
        if self._transport is not None:
            await self._transport.cut()

    async def vanish(self) -> None:
        """Cut the TCP connection and never come back."""
        self.comes_back = False
        await self.cut()
        await self._end()

    async def stay_away(self) -> None:
        """Cut the TCP connection, and do not come back before `come_back`."""
        self._may_connect.clear()
        await self.cut()

    async def come_back(self, within_s: float = 10) -> None:
        """Come back after `stay_away`; returns when connected."""
        self._may_connect.set()
        async with asyncio.timeout(within_s):
            await self.connected.wait()

    async def gone(self, within_s: float) -> None:
        """Wait until it has ended because it does not come back, or may not."""
        assert self._life is not None
        async with asyncio.timeout(within_s):
            await asyncio.wait([self._life])

    async def _end(self) -> None:
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)

    def stop_reading(self) -> None:
        """Take nothing more from the socket."""
        self._reading.clear()

    def go_on_reading(self) -> None:
        """Read again."""
        self._reading.set()

    # -- asking ---------------------------------------------------------------------------------------

    async def ask(self, event: str, payload: dict[str, Any], within_s: float = 10) -> dict[str, Any]:
        """Send an event once and return its acknowledgement. Raises LostError where the connection ends first."""
        answered: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        link = self.link
        self.ask_for(event, payload, lambda answer: None if answered.done() else answered.set_result(answer))
        async with asyncio.timeout(within_s):
            while not answered.done():
                if link.ended is not None:
                    raise LostError("the connection ended before the answer")
                await asyncio.wait([answered], timeout=0.02)
        return answered.result()

    def ask_for(self, event: str, payload: dict[str, Any], answered: Answer) -> None:
        """Send an event once; `answered` is called in the step in which its acknowledgement is received."""
        self._ack_id += 1
        self._asked[self._ack_id] = answered
        self._put(f"42{NAMESPACE}{self._ack_id}" + _encode([event, payload]).decode())

    # -- connecting -----------------------------------------------------------------------------------

    async def _live(self) -> None:
        while True:
            await self._may_connect.wait()
            pause_s = self._random.uniform(*self._back_after_s)
            try:
                await self._connection()
            except HandshakeRefusedError as refusal:
                self.history.handshakes_refused.append((time.monotonic(), refusal.status, refusal.retry_after))
                pause_s = max(pause_s, float(refusal.retry_after or 0))
            except LostError:
                pass
            except ConnectRefusedError:
                return
            if not self.comes_back:
                return
            await asyncio.sleep(pause_s)

    async def _open_transport(self) -> Transport:
        if self._polling:
            return await PollingTransport.open(self.person.url)
        return await WebSocketTransport.open(self.person.url, receive_buffer=self._receive_buffer)

    async def _connection(self) -> None:
        transport = self._transport = await self._open_transport()
        self._outgoing.clear()
        writing = asyncio.get_running_loop().create_task(self._write(transport))
        why = "cancelled"
        try:
            while True:
                for packet in await transport.receive():
                    self._take_packet(packet)
                await self._reading.wait()
        except (LostError, ConnectRefusedError) as end:
            why = str(end)
            raise
        finally:
            self._over(why)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await transport.cut()

    async def _write(self, transport: Transport) -> None:
        # Where the connection is lost here, reading ends as well and says so.
        with contextlib.suppress(LostError):
            while True:
                await self._something_goes_out.wait()
                self._something_goes_out.clear()
                packets, self._outgoing = self._outgoing, []
                if packets:
                    await transport.send(packets)

    def _put(self, packet: str) -> None:
        self._outgoing.append(packet)
        self._something_goes_out.set()

    def _over(self, why: str) -> None:
        self._transport = None
        if self.connected.is_set():
            self.link.ended, self.link.why = time.monotonic(), why
        self.connected.clear()
        self._asked.clear()
        self.has_lost()

    # -- what is received -----------------------------------------------------------------------------

    def _take_packet(self, packet: str) -> None:
        kind = packet[:1]
        if kind == "4":
            self._take_message(packet)
        elif kind == "2":
            self._put("3")
        elif kind == "0":
            self._put(f"40{NAMESPACE}" + _encode({"token": self.person.access_token}).decode())
        elif kind == "1":
            raise LostError("the server closed the session")

    def _take_message(self, packet: str) -> None:
        kind, rest = packet[1], packet[2 + len(NAMESPACE) :]
        if kind == "2":
            name, payload = _decode(rest)
            self.take_event(name, payload)
        elif kind == "3":
            ack_id, _, data = rest.partition("[")
            answered = self._asked.pop(int(ack_id), None)
            if answered is None:
                self.complain(f"an answer to nothing: {rest[:200]}")
            else:
                answered(_decode("[" + data)[0])
        elif kind == "0":
            self.link = Link(self.name, self.link.number + 1, time.monotonic())
            self.history.links.append(self.link)
            self.connected.set()
            self.has_connected()
        elif kind == "1":
            self.refusal = {"code": "disconnected"}
            raise ConnectRefusedError("disconnected by the server")
        else:
            self._take_refusal(_decode(rest))

    def _take_refusal(self, refusal: dict[str, Any]) -> None:
        error = refusal.get("data", refusal)
        if error.get("retryable"):
            raise LostError(f"CONNECT refused: {refusal}")
        self.refusal = error
        raise ConnectRefusedError(f"CONNECT refused: {refusal}")

    def complain(self, what: str) -> None:
        """Note something that the server must not have sent."""
        self.history.complaints.append(f"{self.name}: {what}")
