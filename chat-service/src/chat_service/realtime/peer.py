"""One session as Socket.IO sees it: its connections, the packet being assembled, the work under way."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from chat_service.engine import Session
from chat_service.realtime.connection import Connection
from chat_service.realtime.inline import start_inline
from chat_service.realtime.packets import ClientPacket


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    """Bounds of one session's Socket.IO traffic.

    max_in_flight: events whose answers are not ready; at this many the session is not read from.
    max_attachments: binary attachments of one packet; 10 is the reference parser's.
    """

    max_in_flight: int = 256
    max_attachments: int = 10


class Peer:
    """What Socket.IO keeps for a session, in the session's `app`.

    connections: by namespace. left: namespaces that were connected to before; a client may have
    sent more to them before it learned that they are over.
    """

    __slots__ = (
        "_attached_bytes",
        "_idle",
        "_in_flight",
        "_max_attachments",
        "_max_in_flight",
        "_partial",
        "_tasks",
        "connections",
        "left",
        "session",
    )

    def __init__(self, session: Session, limits: SocketLimits, tasks: set[asyncio.Task[None]]) -> None:
        """Start without connections; running tasks are kept in `tasks`."""
        self.session = session
        self.connections: dict[str, Connection] = {}
        self.left: frozenset[str] = frozenset()
        self._max_in_flight = limits.max_in_flight
        self._max_attachments = limits.max_attachments
        self._partial: ClientPacket | None = None
        self._attached_bytes = 0
        self._in_flight = 0
        self._idle: asyncio.Future[None] | None = None
        self._tasks = tasks

    # Packets.

    def decode(self, data: str | bytes, max_bytes: int) -> ClientPacket | None:
        """Return the packet that `data` completes, None while its attachments are missing.

        Raises:
            ValueError: when it is not what Socket.IO allows here, or has more attachments than
                allowed, or more than `max_bytes` of them.
            RecursionError: when its JSON is nested too deep.
        """
        if isinstance(data, bytes):
            return self._attach(data, max_bytes)
        if self._partial is not None:
            raise ValueError("text where an attachment was due")
        if not data:
            raise ValueError("an empty packet")
        packet = ClientPacket(encoded_packet=data, binary=False)
        if not packet.attachment_count:
            return packet
        if packet.attachment_count > self._max_attachments:
            raise ValueError("too many attachments")
        self._partial = packet
        self._attached_bytes = 0
        return None

    def _attach(self, data: bytes, max_bytes: int) -> ClientPacket | None:
        packet = self._partial
        if packet is None:
            raise ValueError("an attachment to nothing")
        self._attached_bytes += len(data)
        if self._attached_bytes > max_bytes:
            raise ValueError("attachments too long")
        if not packet.add_attachment(data):
            return None
        self._partial = None
        return packet

    # Work under way.

    def begin(self) -> None:
        """Count an event whose answer is not ready; at the bound, the session is not read from."""
        self._in_flight += 1
        if self._in_flight == self._max_in_flight:
            self.session.pause_reading()

    def finished(self) -> None:
        """An event that was counted is answered."""
        if self._in_flight == self._max_in_flight:
            self.session.resume_reading()
        self._in_flight -= 1
        if not self._in_flight and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def idle(self) -> None:
        """Wait until every event that was counted is answered."""
        if self._in_flight:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle

    def run(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `coroutine` at once up to its first wait, and then as a task that the server keeps."""
        task = start_inline(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
