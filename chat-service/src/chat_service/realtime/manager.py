"""python-socketio's client manager, with what it needs of it and no rooms.

The stock manager keeps every client in rooms and walks all of them when one leaves; who receives
what is here the business of the layer above.
"""

from typing import TYPE_CHECKING, Any, NoReturn

from socketio import AsyncManager  # type: ignore[import-untyped]

from chat_service.realtime.connection import Connection, Phase
from chat_service.realtime.packets import EVENT, packet_frames

if TYPE_CHECKING:
    from chat_service.realtime.server import SocketServer


class ConnectionManager(AsyncManager):  # type: ignore[misc]  # python-socketio has no types
    """Finds connections by their id, or by session and namespace."""

    server: "SocketServer"

    def __init__(self) -> None:
        """Start without connections."""
        super().__init__()
        self.connections: dict[str, Connection] = {}

    async def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        """Make a connection that is not admitted yet; None when the session has gone."""
        connection = self.server.new_connection(eio_sid, namespace)
        if connection is None:
            return None
        self.connections[connection.id] = connection
        return connection.id

    async def connect(self, sid: str, namespace: str) -> str:
        """The CONNECT answer is written: the connection is open."""
        del namespace
        connection = self.connections.get(sid)
        if connection is not None:
            self.server.opened(connection)
        return sid

    def is_connected(self, sid: str | None, namespace: str) -> bool:
        """Whether the connection is open."""
        connection = self._find(sid, namespace)
        return connection is not None and connection.is_open

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        """Return the id of the session's connection to the namespace."""
        connection = self.server.connection_of(eio_sid, namespace)
        return None if connection is None else connection.id

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        """Return the id of the connection's session."""
        connection = self._find(sid, namespace)
        return None if connection is None else connection.session.id

    def pre_disconnect(self, sid: str, namespace: str) -> str | None:
        """Nothing more is written to the connection; return the id of its session."""
        connection = self._find(sid, namespace)
        if connection is None:
            return None
        connection.phase = Phase.GONE
        return connection.session.id

    def basic_disconnect(self, sid: str, namespace: str, **_options: object) -> None:
        """Forget the connection."""
        del namespace
        connection = self.connections.pop(sid, None)
        if connection is not None:
            self.server.forget(connection)

    async def emit(self, event: str, data: Any, namespace: str, room: str | None = None, **options: Any) -> None:
        """Send an event to one connection, or to all on a namespace: one encoding for all of them.

        Raises:
            NotImplementedError: when an acknowledgement from clients is asked for.
        """
        if options.get("callback") is not None:
            raise NotImplementedError("clients are not asked to acknowledge")
        args = list(data) if isinstance(data, tuple) else [] if data is None else [data]
        frames = packet_frames(EVENT, namespace, [event, *args])
        for sid in [room] if room is not None else list(self.connections):
            connection = self._find(sid, namespace)
            if connection is not None and sid != options.get("skip_sid"):
                connection.write(frames)

    def basic_enter_room(self, *_args: object, **_options: object) -> NoReturn:
        """Refuse: there are no rooms here.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("rooms are kept by the layer above")

    def _find(self, sid: str | None, namespace: str) -> Connection | None:
        connection = self.connections.get(sid) if sid is not None else None
        return connection if connection is not None and connection.namespace == namespace else None
