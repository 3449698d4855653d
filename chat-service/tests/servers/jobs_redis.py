"""A real Redis for the tests of jobs: on a free port, killed and started again as a test says."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as NoConnectionError


class JobsRedis:
    """One `redis-server` after another on the same port. It keeps nothing on disk."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, within_s: float = 30) -> None:
        """Start it, and wait until it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([self._program, *options], stdout=log, stderr=log)
        deadline = time.monotonic() + within_s
        with self.client() as client:
            while True:
                try:
                    client.ping()
                except NoConnectionError:
                    assert time.monotonic() < deadline, "redis-server does not answer"
                    assert self._process.poll() is None, "redis-server ended"
                    time.sleep(0.05)
                else:
                    return

    def kill(self) -> None:
        """As kill -9 does; it has ended when this returns."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self) -> Redis:
        """A client of a test."""
        return Redis(port=self.port, decode_responses=True, socket_timeout=10)


@contextmanager
def jobs_redis(program: str, folder: Path) -> Iterator[JobsRedis]:
    """A server that has started; in the end it is gone."""
    folder.mkdir(parents=True, exist_ok=True)
    server = JobsRedis(program, folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
