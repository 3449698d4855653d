"""A WebSocket connection: bytes in, messages to its receiver; frames out, straight to the transport."""

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Protocol, cast

from chat_service.engine.frames import BINARY, CLOSE, PING, PONG, Frames, websocket_frame
from chat_service.engine.limits import Limits
from chat_service.engine.reader import FrameReader, WebSocketError, close_code
from chat_service.engine.states import Reason

if TYPE_CHECKING:
    from chat_service.engine.deadlines import Deadlines

# After so many messages of one connection the loop's other work gets its turn.
BURST = 64


class Receiver(Protocol):
    """Who a WebSocket's messages and changes are for."""

    @property
    def reading(self) -> bool:
        """Whether a message may be handed over now."""

    def packet(self, data: str | bytes) -> None:
        """Take a message."""

    def lost(self, reason: Reason) -> None:
        """The connection is over."""

    def filled(self) -> None:
        """More than the high-water mark waits to be sent."""

    def overflowed(self) -> None:
        """More than the hard limit waits to be sent."""

    def drained(self) -> None:
        """What waits is back at the low-water mark."""


class _Phase(Enum):
    OPEN = "open"
    CLOSING = "closing"
    """A close frame was sent, or the client's was answered: only the end is waited for."""
    GONE = "gone"


class WebSocket(asyncio.Protocol):
    """The protocol of one WebSocket connection, put under a transport by `takeover`.

    Everything is sent with whole frames in one call, so frames of different kinds never mix, and the
    order of calls is the order on the wire.
    """

    __slots__ = (
        "_closing",
        "_limits",
        "_phase",
        "_reader",
        "_reading",
        "_transport",
        "_writable",
        "receiver",
    )

    def __init__(self, limits: Limits, closing: "Deadlines[WebSocket]") -> None:
        """Wait for a transport; `closing` cuts the connection when a close takes too long."""
        self.receiver: Receiver | None = None
        self._limits = limits
        self._closing = closing
        self._reader = FrameReader(limits.max_payload)
        self._phase = _Phase.OPEN
        self._transport: asyncio.Transport | None = None
        self._reading = True
        self._writable = True

    # Out.

    @property
    def queued_bytes(self) -> int:
        """Bytes that the kernel has not taken."""
        transport = self._transport
        return 0 if transport is None else transport.get_write_buffer_size()

    def send(self, frames: Frames) -> None:
        """Write `frames`; does nothing once the connection is closing."""
        transport = self._transport
        if transport is None or self._phase is not _Phase.OPEN:
            return
        if not self._writable and transport.get_write_buffer_size() > self._limits.hard_limit:
            if self.receiver is not None:
                self.receiver.overflowed()
            self.abort()
            return
        transport.write(frames.wire)

    def close(self, code: int) -> None:
        """Send a close frame after what is queued, and wait a bounded time for the client's."""
        if self._phase is not _Phase.OPEN:
            return
        self._phase = _Phase.CLOSING
        self._closing.start(self)
        if self._transport is not None:
            self._transport.write(websocket_frame(CLOSE, code.to_bytes(2)))
            self.continue_reading()

    def abort(self) -> None:
        """Cut the connection and drop what is queued."""
        if self._transport is not None and self._phase is not _Phase.GONE:
            self._phase = _Phase.CLOSING
            self._transport.abort()

    # In.

    def continue_reading(self) -> None:
        """Go on with messages that were left while the receiver was not reading."""
        if not self._reading:
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        """Hand over what is whole, as long as the receiver takes it and it is our turn."""
        try:
            for _ in range(BURST):
                if self.receiver is not None and not self.receiver.reading:
                    self._stop_reading()
                    return
                message = self._reader.next_message()
                if message is None:
                    self._start_reading()
                    return
                self._take(*message)
                if self._phase is _Phase.GONE:
                    return
        except WebSocketError as error:
            self._fail(error.code)
            return
        self._stop_reading()
        asyncio.get_running_loop().call_soon(self._deliver)

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            self._answer_close(close_code(payload))
        elif self._phase is not _Phase.OPEN or opcode == PONG:
            return
        elif opcode == PING:
            self._write(websocket_frame(PONG, payload))
        elif self.receiver is not None:
            if opcode == BINARY:
                self.receiver.packet(payload)
                return
            try:
                text = payload.decode()
            except UnicodeDecodeError as error:
                raise WebSocketError(1007, "message is not UTF-8") from error
            self.receiver.packet(text)

    def _answer_close(self, code: int) -> None:
        if self._phase is _Phase.OPEN:
            self._write(websocket_frame(CLOSE, b"" if code == 1005 else code.to_bytes(2)))
        self._over()
        if self._transport is not None:
            self._transport.close()

    def _fail(self, code: int) -> None:
        """Close on a client that broke the protocol; nothing more of it is read."""
        if self._phase is _Phase.OPEN:
            self._write(websocket_frame(CLOSE, code.to_bytes(2)))
        self._over(Reason.TRANSPORT_ERROR)
        if self._transport is not None:
            self._transport.close()

    def _over(self, reason: Reason = Reason.TRANSPORT_CLOSE) -> None:
        """Tell the receiver, once, and bound the time that sending the rest may take."""
        if self._phase is _Phase.GONE:
            return
        self._phase = _Phase.GONE
        self._closing.start(self)
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.lost(reason)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _stop_reading(self) -> None:
        if self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def _start_reading(self) -> None:
        if not self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    # Called by the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and have it say when the water marks are passed."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._limits.high_water, low=self._limits.low_water)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client."""
        if self._phase is _Phase.GONE:
            return
        self._reader.feed(data)
        if self._reading:
            self._deliver()

    def eof_received(self) -> None:
        """The client sends nothing more: the transport closes after this."""
        self._over()

    def pause_writing(self) -> None:
        """More than the high-water mark waits in the transport."""
        self._writable = False
        if self.receiver is not None:
            self.receiver.filled()

    def resume_writing(self) -> None:
        """The transport is back at the low-water mark."""
        self._writable = True
        if self.receiver is not None:
            self.receiver.drained()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        del exc
        self._over()
        self._closing.stop(self)
        self._transport = None
