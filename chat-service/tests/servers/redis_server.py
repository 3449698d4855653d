"""A real Redis for tests: on a free port, with a password, a user with the rights of the service, and TLS."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from chat_service.bus.redis_endpoints import RedisEndpoint

USER = "chat"
RIGHTS = ("resetchannels", "&chat:*", "-@all", "+publish", "+spublish", "+subscribe", "+ssubscribe")
LEAVING = ("+unsubscribe", "+sunsubscribe")
JOBS = (
    *("~chat:*", "+evalsha", "+script|load", "+time", "+xadd", "+xreadgroup", "+xautoclaim", "+xclaim", "+xack"),
    *("+xdel", "+xgroup", "+xinfo", "+zadd", "+zscore", "+zrem", "+sadd", "+srem", "+hset", "+hget", "+hdel"),
)
"""What the sharing of jobs needs beside that."""

STARTS_WITHIN_S = 30.0


class RedisServer:
    """`kill`, `restart`, `freeze` and `thaw` are what happens to it; `command` asks it as its administrator."""

    def __init__(self, program: str, folder: Path, certificates: Certificates | None = None) -> None:
        self.port = _free_port()
        self.password = secrets.token_hex(16)
        self._folder = folder
        self._certificates = certificates
        self._process: subprocess.Popen[bytes] | None = None
        self._program = program
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def endpoint(self) -> RedisEndpoint:
        """It, signed in to as the service is."""
        return RedisEndpoint("127.0.0.1", self.port, self._certificates is not None, USER, self.password)

    @property
    def url(self) -> str:
        """The same as text."""
        scheme = "redis" if self._certificates is None else "rediss"
        return f"{scheme}://{USER}:{self.password}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        listen = ["--port", str(self.port)]
        if self._certificates is not None:
            made = self._certificates
            listen = ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
            listen += ["--tls-cert-file", str(made.certificate), "--tls-key-file", str(made.key)]
        users = [
            f"user default on >{self.password} ~* &* +@all",
            f"user {USER} on >{self.password} {' '.join((*RIGHTS, *LEAVING, *JOBS))}",
        ]
        file = self._folder / "redis.conf"
        file.write_text("\n".join(["bind 127.0.0.1", "save ''", f"dir {self._folder}", *users, ""]))
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([self._program, str(file), *listen], stdout=log, stderr=log)
        deadline = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                self.command("PING")
            except redis.ConnectionError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def command(self, *words: str | bytes) -> Any:
        """What Redis answers to a command."""
        tls: dict[str, Any] = {}
        if self._certificates is not None:
            tls = {"ssl": True, "ssl_ca_certs": str(self._certificates.authority)}
        with redis.Redis("127.0.0.1", self.port, password=self.password, socket_timeout=10, **tls) as client:
            return client.execute_command(*words)

    def kill(self) -> None:
        """As kill -9 does it."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it answer nothing, its connections open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            os.kill(self._process.pid, number)


class Certificates:
    """An authority and a certificate of 127.0.0.1, made on the spot; the files' names."""

    def __init__(self, openssl: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = folder / "ca.crt"
        self.certificate = folder / "server.crt"
        self.key = folder / "server.key"
        ca_key, request, names = folder / "ca.key", folder / "server.csr", folder / "names"
        names.write_text("subjectAltName=IP:127.0.0.1\n")
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]
        made_for = ["-CA", self.authority, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", names]
        for arguments in (
            ["req", "-x509", *key, "-keyout", ca_key, "-out", self.authority, "-days", "2", "-subj", "/CN=Tests"],
            ["req", *key, "-keyout", self.key, "-out", request, "-subj", "/CN=redis"],
            ["x509", "-req", "-in", request, "-out", self.certificate, *made_for],
        ):
            subprocess.run([openssl, *map(str, arguments)], check=True, capture_output=True)


@contextmanager
def redis_server(program: str, folder: Path, certificates: Certificates | None = None) -> Iterator[RedisServer]:
    """A server that has started; it is gone afterwards, whatever was done to it."""
    server = RedisServer(program, folder, certificates)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
