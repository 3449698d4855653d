"""Git servers under their real names, for those who ask by a proxy; whatever else they ask for is refused."""

from __future__ import annotations

import os
import ssl
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cluster.local import certificates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTS = ("git.example.org", "github.com")
"""The names that are answered to; neither this machine nor its DNS learns of it."""
REFUSAL = f"there is nothing but {', '.join(HOSTS)} here"
ANSWER_S = 60.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, repositories: Path, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.repositories = repositories
        self.context = context

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away."""


class _Connection(BaseHTTPRequestHandler):
    """A client: as it comes, it is at a proxy; once led to a server of Git, it talks to that."""

    server: _Server
    protocol_version = "HTTP/1.1"
    led = False

    def do_CONNECT(self) -> None:
        """Lead to a server of Git, by TLS."""
        if self.path not in [f"{host}:443" for host in HOSTS]:
            self._refuse()
            return
        self.send_response_only(HTTPStatus.OK)
        self.end_headers()
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)
        self.led = True
        # `handle` goes on to read from the new one.
        self.close_connection = False

    def do_GET(self) -> None:
        """What a client first asks: which branches there are."""
        self._serve()

    def do_POST(self) -> None:
        """What it asks then: the commits that it lacks."""
        self._serve()

    def finish(self) -> None:
        """Close the connection by TLS too, which is not the one that the server knows of."""
        super().finish()
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """Nothing is written down."""

    def _refuse(self) -> None:
        self.send_error(HTTPStatus.FORBIDDEN, REFUSAL)

    def _serve(self) -> None:
        if not self.led:
            self._refuse()
            return
        asked = urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.repositories),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "REQUEST_METHOD": self.command,
            "PATH_INFO": asked.path,
            "QUERY_STRING": asked.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        said = subprocess.run(
            ["git", "http-backend"],
            input=body,
            env=environment | {"CONTENT_LENGTH": str(len(body))},
            capture_output=True,
            timeout=ANSWER_S,
            check=False,
        )
        head, _, content = said.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@dataclass(frozen=True)
class GitServer:
    """One that serves."""

    proxy: str
    """The URL of the proxy that leads to it, and nowhere else."""
    authority: Path
    """The certificate of whoever signed its own."""
    hosts: tuple[str, ...] = HOSTS


@contextmanager
def serving(repositories: Path, keys: Path) -> Iterator[GitServer]:
    """Serve the repositories below a folder; `keys` is a folder for certificates."""
    authority = certificates.authority(keys, "git-authority")
    pair = certificates.issue(authority, "git", f"/CN={HOSTS[0]}", tuple(f"DNS:{host}" for host in HOSTS))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with _Server(repositories, context) as server:
        thread = threading.Thread(target=server.serve_forever, name="git-server")
        thread.start()
        try:
            yield GitServer(f"http://127.0.0.1:{server.server_address[1]}", authority.certificate)
        finally:
            server.shutdown()
            thread.join()
