"""One client's session: its state, and what passes between its transport and the layer above."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from chat_service.engine.frames import Frames, join_frames
from chat_service.engine.limits import Limits
from chat_service.engine.packets import PacketError, PacketType, split_packet
from chat_service.engine.polling import Polling
from chat_service.engine.states import CLOSE_CODES, ENDED, TRANSITIONS, Reason, State
from chat_service.engine.upgrade import Upgrade
from chat_service.engine.websocket import WebSocket

if TYPE_CHECKING:
    from chat_service.engine.deadlines import Deadlines

PING_FRAMES = Frames((b"2",))

# After these the session stays for one last poll, which takes what is queued and the close packet.
# After the others the client is gone, or is to be told by a refusal at once.
_PATIENT = frozenset({Reason.SERVER_SHUTDOWN, Reason.SERVER_DISCONNECT})


@dataclass(frozen=True, slots=True)
class Client:
    """What the opening request said: the client's address, its headers and its query."""

    address: str
    headers: Mapping[str, str]
    query: Mapping[str, str]


class Host(Protocol):
    """What a session needs of the engine that it lives in."""

    limits: Limits
    pings: "Deadlines[Session]"
    pongs: "Deadlines[Session]"
    greetings: "Deadlines[Session]"
    slow: "Deadlines[Session]"
    upgrades: "Deadlines[Upgrade]"
    farewells: "Deadlines[Session]"

    def message(self, session: "Session", data: str | bytes) -> None:
        """Hand a message to the layer above; nothing it raises comes back."""

    def upgraded(self, session: "Session") -> None:
        """Count an upgrade."""

    def congestion(self, session: "Session", congested: bool) -> None:
        """Count a congested session, or tell the layer above that it drained."""

    def ended(self, session: "Session", reason: Reason) -> None:
        """Tell the layer above, once, that the session is over."""

    def closed(self, session: "Session") -> None:
        """Forget the session."""


class Session:
    """One Engine.IO session over long-polling, WebSocket, or one and then the other.

    `app` is the layer above's own; `reason` says why it ended, None while it has not.
    """

    __slots__ = (
        "__weakref__",
        "_congested",
        "_host",
        "_least_queued",
        "_out",
        "_pauses",
        "_reader",
        "_upgrade",
        "app",
        "client",
        "id",
        "polling",
        "reason",
        "state",
    )

    def __init__(self, host: Host, session_id: str, client: Client) -> None:
        """Start in POLLING; `start_websocket` makes it a session that began on a WebSocket."""
        self.id = session_id
        self.client = client
        self.app: object | None = None
        self.state = State.POLLING
        self.reason: Reason | None = None
        self.polling: Polling | None = Polling(self, host.limits)
        self._host = host
        self._out: Polling | WebSocket | None = self.polling
        self._upgrade: Upgrade | None = None
        self._congested = False
        self._least_queued = 0
        self._pauses = 0
        self._reader: asyncio.Future[None] | None = None

    # What the layer above uses.

    @property
    def transport(self) -> str:
        """`websocket` or `polling`."""
        return "websocket" if self.polling is None else "polling"

    @property
    def queued_bytes(self) -> int:
        """Bytes written to the session that its transport has not handed to the kernel."""
        out = self._out
        return 0 if out is None else out.queued_bytes

    @property
    def congested(self) -> bool:
        """Whether more than the high-water mark is queued and it has not drained since."""
        return self._congested

    @property
    def has_ended(self) -> bool:
        """Whether the layer above was told, or is about to be told, that the session is over."""
        return self.state in ENDED

    def write(self, frames: Frames) -> None:
        """Queue `frames`; never waits, and does nothing once the session is over."""
        out = self._out
        if out is not None:
            out.send(frames)

    def close(self, reason: Reason = Reason.SERVER_DISCONNECT, code: int | None = None) -> None:
        """End the session: queued packets are still delivered, then the client is told.

        A WebSocket gets a close frame with `code` (by default the reason's own in CLOSE_CODES), a
        poll the close packet. A slow reader's connection is cut instead, and its queue dropped.
        """
        if self.state in ENDED:
            return
        out, polling = self._out, self.polling
        patient = reason in _PATIENT or isinstance(out, WebSocket)
        if isinstance(out, WebSocket):
            if reason is Reason.SLOW_READER:
                out.abort()
            else:
                out.close(CLOSE_CODES[reason] if code is None else code)
        elif polling is not None:
            polling.end(b"1", keep_queue=patient)
        self._end(reason, State.CLOSING if patient else State.CLOSED)

    def established(self) -> None:
        """The layer above is content with the client: the time limit for a greeting is lifted."""
        self._host.greetings.stop(self)

    def pause_reading(self) -> None:
        """Take no more packets from the client, until as many calls of `resume_reading`."""
        self._pauses += 1

    def resume_reading(self) -> None:
        """Undo one `pause_reading`."""
        self._pauses -= 1
        self._continue_reading()

    # What the engine uses.

    def start_websocket(self, socket: WebSocket) -> None:
        """Make this a session that began on `socket`."""
        self.polling = None
        self._out = socket
        self.state = State.WEBSOCKET

    def begin_upgrade(self, socket: WebSocket) -> bool:
        """Attach the WebSocket of an upgrade; False when the session cannot be upgraded now."""
        if self.state is not State.POLLING:
            return False
        self._move(State.PROBING)
        self._upgrade = socket.receiver = Upgrade(self, socket)
        self._host.upgrades.start(self._upgrade)
        return True

    def ping(self, due: float) -> None:
        """Send a ping that was due at `due`, and expect its pong in time."""
        self.write(PING_FRAMES)
        self._host.pongs.start(self, due)

    def pong_missing(self) -> None:
        """The pong did not come in time: the client is gone, unless we did not read."""
        if self.reading or self._congested:
            self.close(Reason.PING_TIMEOUT)
        else:
            self._host.pongs.start(self)

    def still_slow(self) -> None:
        """A congested session's time is up: end it, unless an eighth of the mark has drained."""
        queued = self.queued_bytes
        if queued > self._least_queued - self._host.limits.high_water // 8:
            self.close(Reason.SLOW_READER)
            return
        self._least_queued = queued
        self._host.slow.start(self)

    def give_up_close(self) -> None:
        """The client did not come for the last poll."""
        self._finish()

    # What the transports use.

    @property
    def reading(self) -> bool:
        """Whether the transport may take packets from the client now."""
        return (self._pauses == 0 and not self._congested) or self.state in ENDED

    async def readable(self) -> None:
        """Wait until `reading` is true."""
        while not self.reading:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None

    def packet(self, data: str | bytes) -> None:
        """Take one packet from the WebSocket."""
        if isinstance(data, bytes):
            self.receive(PacketType.MESSAGE, data)
            return
        try:
            kind, text = split_packet(data)
        except PacketError:
            self.close(Reason.PARSE_ERROR)
        else:
            self.receive(kind, text)

    def receive(self, kind: PacketType, data: str | bytes) -> None:
        """Take one packet from either transport; ignored once the session is over."""
        if self.state in ENDED:
            return
        if kind is PacketType.MESSAGE:
            self._host.message(self, data)
        elif kind is PacketType.PONG:
            self._pong()
        elif kind is PacketType.CLOSE:
            self._closed_by_client()
        elif kind is PacketType.PING:
            # In version 4 only the server pings.
            self.close(Reason.TRANSPORT_ERROR)

    def filled(self) -> None:
        """More than the high-water mark is queued."""
        if self._congested or self.state in ENDED:
            return
        self._congested = True
        self._least_queued = self.queued_bytes
        self._host.slow.start(self)
        self._host.congestion(self, congested=True)

    def overflowed(self) -> None:
        """More than the hard limit is queued: nothing more is, and the session ends.

        It ends a turn of the loop later: the one who writes may be going through a set of
        receivers that the end of one changes.
        """
        self._out = None
        asyncio.get_running_loop().call_soon(self._end_overflowed)

    def drained(self) -> None:
        """What is queued is back at the low-water mark."""
        if not self._congested or self.state in ENDED:
            return
        self._congested = False
        self._host.slow.stop(self)
        self._continue_reading()
        self._host.congestion(self, congested=False)

    def lost(self, reason: Reason) -> None:
        """The transport is gone: end the session, or finish ending it."""
        if self.state is State.CLOSING:
            self._finish()
        elif self.state is not State.CLOSED:
            if self.polling is not None:
                self.polling.end(b"1", keep_queue=False)
            self._end(reason, State.CLOSED)

    # What the upgrade uses.

    def probed(self) -> None:
        """The probe is answered: polls are let go at once, so that the client can stop polling."""
        self._move(State.UPGRADING)
        if self.polling is not None:
            self.polling.release()

    def finish_upgrade(self, socket: WebSocket) -> None:
        """Go over to the WebSocket, and with it everything that no poll has taken."""
        polling = self.polling
        if polling is None:
            return
        self._move(State.WEBSOCKET)
        self._drop_upgrade()
        backlog = polling.take_queue()
        polling.end(b"6", keep_queue=False)
        self.polling = None
        self._out = socket
        socket.receiver = self
        if backlog:
            socket.send(join_frames(backlog))
        if socket.queued_bytes <= self._host.limits.low_water:
            self.drained()
        self._host.upgraded(self)

    def abandon_upgrade(self) -> None:
        """The upgrade failed; polling goes on."""
        self._drop_upgrade()
        if self.state not in ENDED:
            self._move(State.POLLING)

    # Steps of the above.

    def _pong(self) -> None:
        if self._host.pongs.stop(self):
            self._host.pings.start(self)

    def _closed_by_client(self) -> None:
        if self.polling is None:
            self.close(Reason.TRANSPORT_CLOSE)
            return
        self.polling.end(b"6", keep_queue=False)
        self._end(Reason.TRANSPORT_CLOSE, State.CLOSED)

    def _end_overflowed(self) -> None:
        if self.state in ENDED:
            return
        self._out = self.polling
        self.close(Reason.SLOW_READER)

    def _end(self, reason: Reason, state: State) -> None:
        self._move(state)
        self._out = None
        self.reason = reason
        host = self._host
        for deadlines in (host.pings, host.pongs, host.greetings, host.slow):
            deadlines.stop(self)
        upgrade = self._upgrade
        if upgrade is not None:
            self._drop_upgrade()
            upgrade.close()
        if self.polling is not None and state is State.CLOSING:
            host.farewells.start(self)
        self._continue_reading()
        host.ended(self, reason)
        if state is State.CLOSED:
            host.closed(self)

    def _finish(self) -> None:
        self._move(State.CLOSED)
        self._host.farewells.stop(self)
        self._host.closed(self)

    def _drop_upgrade(self) -> None:
        if self._upgrade is not None:
            self._host.upgrades.stop(self._upgrade)
            self._upgrade = None

    def _continue_reading(self) -> None:
        if not self.reading:
            return
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
        if isinstance(self._out, WebSocket):
            self._out.continue_reading()

    def _move(self, state: State) -> None:
        if state not in TRANSITIONS[self.state]:
            raise RuntimeError(f"a session cannot go from {self.state.value} to {state.value}")
        self.state = state
