"""A client's connection to one namespace, and what the namespace's handler must be."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from chat_service.engine import Frames, Reason, Session
from chat_service.realtime.packets import ACK, EVENT, packet_frames

if TYPE_CHECKING:
    from chat_service.realtime.peer import Peer

log = structlog.get_logger()


class Refused(Exception):  # noqa: N818  # it is an answer, not a fault
    """A connection that is not admitted: the client gets CONNECT_ERROR `{message, data}`."""

    def __init__(self, message: str, data: Mapping[str, Any] | None = None) -> None:
        """Hold what the client is told."""
        super().__init__(message)
        self.message = message
        self.data = data


class NamespaceHandler(Protocol):
    """What happens on one namespace. All methods are called on the event loop."""

    async def admit(self, connection: "Connection", auth: dict[str, Any] | None) -> None:
        """Let the connection in, or raise Refused.

        It may write to the connection: that follows the CONNECT answer. It is cancelled when the
        client goes meanwhile; any other exception refuses the connection without saying why.
        """

    def event(self, connection: "Connection", name: str, args: list[Any]) -> object:
        """Take an event, in the order received, and return what acknowledges it.

        A plain value is acknowledged at once (a tuple as several arguments, None as none). A Future
        is acknowledged when it is done and is never cancelled from here. A coroutine runs at once up
        to its first wait and then as a task, to its end even when the client goes; its
        acknowledgement is written in the step in which it returns, before anything else can be.
        """

    def failed(self, connection: "Connection", error: BaseException) -> object:
        """Return what acknowledges an event that raised `error`; it must not raise."""

    def drained(self, connection: "Connection") -> None:
        """A congested connection is at the low-water mark again."""

    def gone(self, connection: "Connection", reason: str) -> None:
        """The connection is over; called once for each that `admit` let in."""


class Phase(Enum):
    """Where a connection is in its life."""

    ADMITTING = "admitting"
    """What is written is held back until the CONNECT answer is written."""
    OPEN = "open"
    GONE = "gone"


class Connection:
    """One client on one namespace. `state` is the handler's own."""

    __slots__ = (
        "__weakref__",
        "_disconnect",
        "_held",
        "_peer",
        "admission",
        "handler",
        "id",
        "namespace",
        "phase",
        "session",
        "state",
    )

    def __init__(
        self,
        connection_id: str,
        namespace: str,
        peer: "Peer",
        handler: NamespaceHandler,
        disconnect: Callable[["Connection"], None],
    ) -> None:
        """Start in ADMITTING; `disconnect` ends the connection from the server's side."""
        self.id = connection_id
        self.namespace = namespace
        self.session: Session = peer.session
        self.handler = handler
        self.phase = Phase.ADMITTING
        self.state: Any = None
        self.admission: asyncio.Task[None] | None = None
        self._peer = peer
        self._disconnect = disconnect
        self._held: list[Frames] | None = None

    @property
    def address(self) -> str:
        """The client's address, as the engine's `client_address` gave it."""
        return self.session.client.address

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the opening request, in any case."""
        return self.session.client.headers

    @property
    def query(self) -> Mapping[str, str]:
        """The query of the opening request."""
        return self.session.client.query

    @property
    def is_open(self) -> bool:
        """Whether what is written still goes to the client."""
        return self.phase is Phase.OPEN

    @property
    def queued_bytes(self) -> int:
        """Bytes queued for the client's session, on all its namespaces."""
        return self.session.queued_bytes

    @property
    def congested(self) -> bool:
        """Whether the client reads slower than it is written to; `drained` tells when no longer."""
        return self.session.congested

    def write(self, frames: Frames) -> None:
        """Queue `frames`; never waits, and does nothing once the connection is over."""
        if self.phase is Phase.OPEN:
            self.session.write(frames)
        elif self.phase is Phase.ADMITTING:
            if self._held is None:
                self._held = []
            self._held.append(frames)

    def emit(self, event: str, *args: object) -> None:
        """Send an event; bytes in its arguments become attachments.

        Raises:
            TypeError, ValueError, RecursionError: when an argument cannot be JSON.
        """
        self.write(packet_frames(EVENT, self.namespace, [event, *args]))

    def disconnect(self) -> None:
        """End the connection to this namespace; the official client does not come back by itself."""
        self._disconnect(self)

    def close(self, reason: Reason = Reason.SERVER_DISCONNECT, code: int | None = None) -> None:
        """End the whole session; the official client reconnects."""
        self.session.close(reason, code)

    # What the server uses.

    def opened(self) -> None:
        """The CONNECT answer is written: write what was held back."""
        self.phase = Phase.OPEN
        held, self._held = self._held, None
        for frames in held or ():
            self.session.write(frames)

    def dispatch(self, name: str, args: list[Any], ack_id: int | None) -> None:
        """Have the handler take an event, and acknowledge it now or when it is done."""
        try:
            result = self.handler.event(self, name, args)
        except Exception as error:  # noqa: BLE001  # the handler says what the client is told
            self._fail(ack_id, error)
            return
        if isinstance(result, asyncio.Future):
            self._peer.begin()
            result.add_done_callback(partial(self._future_done, ack_id))
        elif isinstance(result, Coroutine):
            self._peer.begin()
            self._peer.run(self._finish(result, ack_id))
        else:
            self._acknowledge(ack_id, result)

    async def _finish(self, coroutine: Coroutine[Any, Any, object], ack_id: int | None) -> None:
        try:
            result = await coroutine
        except Exception as error:  # noqa: BLE001  # the handler says what the client is told
            self._fail(ack_id, error)
        else:
            # No await may come between the coroutine's return and this.
            self._acknowledge(ack_id, result)
        finally:
            self._peer.finished()

    def _future_done(self, ack_id: int | None, future: "asyncio.Future[object]") -> None:
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if error is None:
            self._acknowledge(ack_id, future.result())
        else:
            self._fail(ack_id, error)
        self._peer.finished()

    def _fail(self, ack_id: int | None, error: BaseException) -> None:
        try:
            result = self.handler.failed(self, error)
            if ack_id is not None:
                self._write_ack(ack_id, result)
        except Exception:  # the last resort: a client that waits for an answer must not wait for ever
            log.exception("event failed without an answer", namespace=self.namespace, connection=self.id)
            self.close(Reason.SERVER_ERROR)

    def _acknowledge(self, ack_id: int | None, result: object) -> None:
        if ack_id is None:
            return
        try:
            self._write_ack(ack_id, result)
        except (TypeError, ValueError, RecursionError) as error:
            self._fail(ack_id, error)

    def _write_ack(self, ack_id: int, result: object) -> None:
        if self.phase is not Phase.OPEN:
            return
        data = list(result) if isinstance(result, tuple) else [] if result is None else [result]
        self.session.write(packet_frames(ACK, self.namespace, data, ack_id))
