"""A real Redis with a password, that keeps nothing on disk: a restart loses all that it held."""

from __future__ import annotations

import secrets
import shutil
from typing import TYPE_CHECKING

from redis.asyncio import Redis as RedisClient
from redis.exceptions import RedisError

from chaos.servers.process import HOST, Process, ServerError, free_port

if TYPE_CHECKING:
    from pathlib import Path


class Redis:
    """`redis-server`. Its port and password stay when it is started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.password = secrets.token_hex(12)
        self._folder = folder
        self._process: Process | None = None

    @property
    def started(self) -> bool:
        """Whether it was ever started by us."""
        return self._process is not None

    @property
    def process(self) -> Process:
        """The process that was started last."""
        assert self._process is not None, "Redis was never started"  # noqa: S101 - a defect of the runner
        return self._process

    async def start(self) -> None:
        """Start it and wait until it answers. Raises ServerError."""
        tool = shutil.which("redis-server")
        if tool is None:
            raise ServerError("redis-server is missing (Debian: apt-get install redis-server)")
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = self._folder / "redis.conf"
        lines = ["bind 127.0.0.1", f"port {self.port}", f"requirepass {self.password}", 'save ""', "appendonly no"]
        configuration.write_text("\n".join([*lines, f"dir {self._folder}", ""]))
        configuration.chmod(0o600)  # the password is in it, and so on no command line
        self._process = Process("redis", [tool, str(configuration)], {}, self._folder / "redis.log")
        await self._process.answers(self._pings)

    async def flush(self) -> None:
        """FLUSHALL: everything it held is gone."""
        async with self._client() as client:
            await client.flushall()

    async def _pings(self) -> bool:
        try:
            async with self._client() as client:
                return bool(await client.ping())
        except RedisError:
            return False

    def _client(self) -> RedisClient:
        return RedisClient(host=HOST, port=self.port, password=self.password, socket_timeout=2)
