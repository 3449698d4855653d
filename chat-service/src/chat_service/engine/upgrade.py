"""The WebSocket of an upgrade, until the session goes over to it."""

from typing import TYPE_CHECKING

from chat_service.engine.frames import Frames
from chat_service.engine.states import Reason, State

if TYPE_CHECKING:
    from chat_service.engine.session import Session
    from chat_service.engine.websocket import WebSocket

PROBE_ANSWER = Frames((b"3probe",))


class Upgrade:
    """Receives for the WebSocket of an upgrade: a probe, its answer, and the packet that completes it."""

    __slots__ = ("_session", "_socket")

    reading = True

    def __init__(self, session: "Session", socket: "WebSocket") -> None:
        """Receive from `socket` on behalf of `session`."""
        self._session = session
        self._socket = socket

    def packet(self, data: str | bytes) -> None:
        """Take the probe, then the upgrade packet; anything else ends the attempt, not the session."""
        session = self._session
        if data == "2probe" and session.state is State.PROBING:
            session.probed()
            self._socket.send(PROBE_ANSWER)
        elif data == "5" and session.state is State.UPGRADING:
            session.finish_upgrade(self._socket)
        else:
            self._abandon(1002)

    def lost(self, _reason: Reason) -> None:
        """The WebSocket is gone: the session goes on polling."""
        self._session.abandon_upgrade()

    def expire(self) -> None:
        """The client did not complete the upgrade in time."""
        self._abandon(1008)

    def close(self) -> None:
        """The session is over."""
        self._detach(1001)

    def filled(self) -> None:
        """Nothing is written that could fill this socket."""

    def overflowed(self) -> None:
        """Nothing is written that could fill this socket."""

    def drained(self) -> None:
        """Nothing is written that could fill this socket."""

    def _abandon(self, code: int) -> None:
        self._detach(code)
        self._session.abandon_upgrade()

    def _detach(self, code: int) -> None:
        self._socket.receiver = None
        self._socket.close(code)
