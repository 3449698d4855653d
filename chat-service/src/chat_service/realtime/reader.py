"""A connection as the rooms see it: somebody who reads, in a dialect, as fast as they can."""

from __future__ import annotations

import asyncio

from chat_service.engine import Frames
from chat_service.realtime.connection import Connection
from chat_service.rooms.readers import Dialect
from chat_service.rooms.readers import Frames as AnyFrames


class SocketReader:
    """`Reader` over a Socket.IO connection. `rooms` are those it has open."""

    __slots__ = ("__weakref__", "_drained", "connection", "dialect", "id", "rooms", "user")

    def __init__(self, connection: Connection, user: str, dialect: Dialect) -> None:
        self.connection = connection
        self.id = connection.id
        self.user = user
        self.dialect = dialect
        self.rooms: set[str] = set()
        self._drained: asyncio.Future[bool] | None = None

    @property
    def congested(self) -> bool:
        """See Reader."""
        return self.connection.congested

    def write(self, frames: AnyFrames) -> None:
        """See Reader."""
        if not isinstance(frames, Frames):
            raise TypeError(f"expected Frames of the engine, got {type(frames).__name__}")
        self.connection.write(frames)

    def restart(self) -> None:
        """See Reader."""
        self.connection.close()

    async def drained(self) -> bool:
        """See Reader."""
        if not self.connection.is_open:
            return False
        if not self.connection.congested:
            return True
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()
        return await asyncio.shield(self._drained)

    def settle(self, *, open_: bool) -> None:
        """Wake whoever waits in `drained`: it drained (`open_`), or it is gone."""
        if self._drained is not None:
            self._drained.set_result(open_)
            self._drained = None
