"""The Socket.IO server: python-socketio on our engine, with events handled in order and at once.

What is used of python-socketio that is not in its documented API, all of it overridden or called
here, in `manager` and in `packets`: `_engineio_server_class`, `_handle_eio_connect`,
`_handle_eio_message`, `_handle_eio_disconnect`, `_handle_connect`, `_handle_disconnect`,
`_trigger_event`; of its manager `pre_connect`, `connect`, `is_connected`, `sid_from_eio_sid`,
`eio_sid_from_sid`, `pre_disconnect`, `basic_disconnect`; of its Packet `decode`, `data_is_binary`,
`reconstruct_binary`. tests/engine/test_seams.py fails when one of them changes.
"""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import structlog
from aiohttp import web
from socketio import AsyncServer  # type: ignore[import-untyped]
from socketio.exceptions import ConnectionRefusedError as SocketIORefused  # type: ignore[import-untyped]

from chat_service.engine import Engine, EngineOptions, Reason, Session
from chat_service.realtime.connection import Connection, NamespaceHandler, Phase, Refused
from chat_service.realtime.inline import run_now
from chat_service.realtime.manager import ConnectionManager
from chat_service.realtime.packets import ACK, BINARY_ACK, CONNECT, DISCONNECT, ClientPacket, connect_error
from chat_service.realtime.peer import Peer, SocketLimits

log = structlog.get_logger()


class SocketServer(AsyncServer):  # type: ignore[misc]  # python-socketio has no types
    """A Socket.IO v5 server whose namespaces are given with `register`.

    A client's packets are handled in the order received, without a task for each, and what a handler
    writes while it admits a connection follows the CONNECT answer.
    """

    eio: Engine
    manager: ConnectionManager

    def __init__(self, *, options: EngineOptions | None = None, limits: SocketLimits | None = None) -> None:
        """Make a server on an engine of its own; `attach` it to an application to serve."""
        super().__init__(
            client_manager=ConnectionManager(),
            serializer=ClientPacket,
            logger=logging.getLogger("socketio.server"),
            async_handlers=False,
            namespaces="*",
            options=options,
        )
        self.limits = limits or SocketLimits()
        self._namespaces: dict[str, NamespaceHandler] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.eio.on("drain", self._handle_eio_drain)

    @property
    def engine(self) -> Engine:
        """The engine: its sessions, counts and limits."""
        return self.eio

    def attach(self, app: web.Application, socketio_path: str = "socket.io") -> None:
        """Serve at `/socketio_path/` of `app`."""
        self.eio.attach(app, socketio_path)

    def register(self, namespace: str, handler: NamespaceHandler) -> None:
        """Serve `namespace` (`/`, `/chat`, …) with `handler`."""
        self._namespaces[namespace] = handler

    def connections(self, namespace: str) -> Iterator[Connection]:
        """The open connections to `namespace`; none may begin or end while they are gone through."""
        return (
            connection
            for connection in self.manager.connections.values()
            if connection.namespace == namespace and connection.is_open
        )

    async def finish(
        self,
        session: Session,
        reason: Reason = Reason.SERVER_SHUTDOWN,
        code: int | None = None,
        patience: float = 5.0,
    ) -> None:
        """Close a session cleanly: read no more, answer what was read (`patience` seconds), then close."""
        peer = session.app
        if isinstance(peer, Peer) and not session.has_ended:
            session.pause_reading()
            try:
                async with asyncio.timeout(patience):
                    await peer.idle()
            except TimeoutError:
                log.warning("session closed with events unanswered", session=session.id)
        session.close(reason, code)

    async def shutdown(self) -> None:
        """Finish every session, and return when all is closed and no task is left."""
        await asyncio.gather(*(self.finish(session) for session in list(self.eio.sessions.values())))
        await self.eio.shutdown()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # The seams: what python-socketio and the engine call.

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    def _handle_eio_connect(self, session: Session) -> None:
        session.app = Peer(session, self.limits, self._tasks)
        # python-socketio takes what its connect handlers get from here.
        self.environ[session.id] = session.client

    def _handle_eio_message(self, session: Session, data: str | bytes) -> None:
        peer = _peer(session)
        try:
            packet = peer.decode(data, self.eio.limits.max_payload)
        except (ValueError, RecursionError):
            session.close(Reason.PARSE_ERROR)
            return
        if packet is None:
            return
        connection = peer.connections.get(packet.namespace)
        if packet.packet_type == CONNECT:
            self._connect(peer, connection, packet)
        elif connection is None or connection.phase is Phase.ADMITTING:
            # As in the reference server; what was sent before a disconnect was known is let pass.
            if packet.namespace not in peer.left:
                session.close(Reason.PARSE_ERROR)
        elif packet.packet_type == DISCONNECT:
            run_now(self._handle_disconnect(session.id, packet.namespace, Reason.CLIENT_DISCONNECT))
        elif packet.packet_type not in {ACK, BINARY_ACK}:
            connection.dispatch(packet.data[0], packet.data[1:], packet.id)

    def _handle_eio_disconnect(self, session: Session, reason: Reason) -> None:
        for connection in list(_peer(session).connections.values()):
            if connection.is_open:
                run_now(self._handle_disconnect(session.id, connection.namespace, reason))
            else:
                connection.phase = Phase.GONE
                self.manager.basic_disconnect(connection.id, connection.namespace)
                if connection.admission is not None:
                    connection.admission.cancel()
        self.environ.pop(session.id, None)

    def _handle_eio_drain(self, session: Session) -> None:
        for connection in list(_peer(session).connections.values()):
            if connection.is_open:
                connection.handler.drained(connection)

    async def _trigger_event(self, event: str, namespace: str, *args: Any) -> None:
        connection = self.manager.connections.get(args[0])
        if connection is None:
            return
        if event == "connect":
            await self._admit(connection, args[2])
        elif event == "disconnect":
            try:
                connection.handler.gone(connection, str(args[1]))
            except Exception:  # a fault of one namespace must not keep the session's others
                log.exception("handler failed at the end of a connection", namespace=namespace)

    # What the manager calls.

    def new_connection(self, session_id: str, namespace: str) -> Connection | None:
        """Make the session's connection to `namespace`, None when the session is over."""
        session = self.eio.sessions.get(session_id)
        if session is None or session.has_ended:
            return None
        peer = _peer(session)
        connection = Connection(
            self.eio.generate_id(), namespace, peer, self._namespaces[namespace], self._disconnect
        )
        peer.connections[namespace] = connection
        return connection

    def connection_of(self, session_id: str, namespace: str) -> Connection | None:
        """Return the session's connection to `namespace`."""
        session = self.eio.sessions.get(session_id)
        return None if session is None else _peer(session).connections.get(namespace)

    def opened(self, connection: Connection) -> None:
        """The connection's CONNECT answer is written."""
        connection.admission = None
        connection.opened()
        connection.session.established()

    def forget(self, connection: Connection) -> None:
        """The connection is over."""
        peer = _peer(connection.session)
        peer.connections.pop(connection.namespace, None)
        peer.left |= {connection.namespace}

    # Steps of the above.

    def _connect(self, peer: Peer, connection: Connection | None, packet: ClientPacket) -> None:
        session, namespace = peer.session, packet.namespace
        if connection is not None:
            session.close(Reason.PARSE_ERROR)
        elif namespace not in self._namespaces:
            session.write(connect_error(namespace, "Invalid namespace"))
        else:
            task = peer.run(self._handle_connect(session.id, namespace, packet.data))
            made = peer.connections.get(namespace)
            if made is not None and made.phase is Phase.ADMITTING:
                made.admission = task

    async def _admit(self, connection: Connection, auth: dict[str, Any] | None) -> None:
        """Ask the handler.

        Raises:
            SocketIORefused: when it says no, or fails.
        """
        try:
            await connection.handler.admit(connection, auth)
        except Refused as error:
            details = () if error.data is None else (error.data,)
            raise SocketIORefused(error.message, *details) from error
        except Exception as error:
            log.exception("handler failed to admit a connection", namespace=connection.namespace)
            raise SocketIORefused("Internal error") from error
        if connection.phase is Phase.GONE:
            # It let the connection in although it was cancelled.
            connection.handler.gone(connection, str(connection.session.reason))
            raise SocketIORefused("Connection lost")

    def _disconnect(self, connection: Connection) -> None:
        run_now(self.disconnect(connection.id, connection.namespace, ignore_queue=True))


def _peer(session: Session) -> Peer:
    peer = session.app
    if not isinstance(peer, Peer):
        raise TypeError("a session of another server")
    return peer
