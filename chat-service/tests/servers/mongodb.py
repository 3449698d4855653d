"""A MongoDB-protocol server for the tests: mongod where found, else FerretDB (scripts/ferretdb), else Docker.

`CHAT_TEST_MONGODB_URI` points all of them at another server instead; the path in it is not used.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pymongo
import pytest
from pymongo.errors import PyMongoError

if TYPE_CHECKING:
    from collections.abc import Callable

URI_VARIABLE = "CHAT_TEST_MONGODB_URI"
DOCKER_IMAGE = "docker.io/library/mongo:8.0"
START_S = 60

_FERRETDB = Path(__file__).parents[3] / ".cache" / "tools" / "ferretdb"


class MongoServer:
    """One server process of ours, on a port that it keeps when it is killed and started again."""

    def __init__(self, kind: str, folder: Path, certificate: Path | None = None) -> None:
        """Prepare one; with `certificate`, a file that holds its key too, it is reached over TLS only."""
        self.kind = kind
        self._folder = folder
        self._certificate = certificate
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Where it listens, without a database."""
        return f"mongodb://127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Start it, or start it again on what it has stored, and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "server.log").open("ab") as output:
            self._process = subprocess.Popen(self._command(), stdout=output, stderr=subprocess.STDOUT)
        waiting = self.uri + ("?tls=true&tlsAllowInvalidCertificates=true" if self._certificate else "")
        _wait_for(waiting, lambda: self._process is None or self._process.poll() is None)

    def kill(self) -> None:
        """End it at once, as a power cut would end the process."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Let it answer nothing, its connections open, until `thaw`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _command(self) -> list[str]:
        data = self._folder / "data"
        data.mkdir(exist_ok=True)
        if self.kind == "ferretdb":
            tls = ["--tls", str(self._certificate)] if self._certificate else []
            return [str(_FERRETDB), "--listen", f"127.0.0.1:{self._port}", "--dir", str(data), *tls]
        tls = ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(self._certificate)]
        place = ["--bind_ip", "127.0.0.1", "--port", str(self._port), "--dbpath", str(data)]
        found = shutil.which("mongod")
        assert found
        return [found, *place, *(tls if self._certificate else [])]

    def _signal(self, number: int) -> None:
        assert self._process
        self._process.send_signal(number)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None


def server_kind() -> str | None:
    """Which server of ours can be started here: mongod, ferretdb or none."""
    if shutil.which("mongod"):
        return "mongod"
    return "ferretdb" if _FERRETDB.is_file() else None


@pytest.fixture(scope="session")
def mongodb_server(lacking: Callable[[str], None]) -> Iterator[str]:
    """Give the URI, without a database, of the server that all tests of this run share."""
    if given := os.environ.get(URI_VARIABLE):
        yield given
    elif kind := server_kind():
        with tempfile.TemporaryDirectory(prefix="chat-mongodb-") as folder:
            server = MongoServer(kind, Path(folder))
            server.start()
            yield server.uri
            server.stop()
    elif docker := shutil.which("docker"):
        yield from _in_docker(docker, lacking)
    else:
        lacking("a MongoDB-protocol server (mongod, or Go for scripts/ferretdb, or Docker)")


@pytest.fixture
def mongodb_uri(mongodb_server: str) -> Iterator[str]:
    """Give the URI of a fresh database, which is dropped after the test."""
    name = f"test-{secrets.token_hex(6)}"
    yield with_database(mongodb_server, name)
    with pymongo.MongoClient[dict[str, object]](mongodb_server, retryWrites=False) as client:
        client.drop_database(name)


@pytest.fixture
def own_mongodb(tmp_path: Path, lacking: Callable[[str], None]) -> Iterator[MongoServer]:
    """Give a started server that a test may kill, freeze and start again."""
    kind = server_kind()
    if kind is None:
        lacking("a MongoDB-protocol server that can be killed (mongod, or Go for scripts/ferretdb)")
    assert kind
    server = MongoServer(kind, tmp_path / "mongodb")
    server.start()
    yield server
    server.kill()


def with_database(uri: str, name: str) -> str:
    """The same server and options, another database."""
    return urlsplit(uri)._replace(path=f"/{name}").geturl()


def with_options(uri: str, options: str) -> str:
    """The same database, `options` added to what the URI says."""
    parts = urlsplit(uri)
    return parts._replace(query="&".join(filter(None, (parts.query, options)))).geturl()


def _in_docker(docker: str, lacking: Callable[[str], None]) -> Iterator[str]:
    port = _free_port()
    run = [docker, "run", "--detach", "--rm", "--publish", f"127.0.0.1:{port}:27017", DOCKER_IMAGE]
    started = subprocess.run(run, capture_output=True, text=True, check=False)
    if started.returncode:
        lacking(f"a MongoDB-protocol server (Docker cannot run {DOCKER_IMAGE})")
    uri = f"mongodb://127.0.0.1:{port}/"
    _wait_for(uri, lambda: True)
    yield uri
    subprocess.run([docker, "stop", started.stdout.strip()], capture_output=True, check=True)


def _wait_for(uri: str, running: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_S
    with pymongo.MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=200, retryWrites=False) as client:
        while not _answers(client):
            assert running(), f"the server at {uri} ended at once; its server.log says why"
            assert time.monotonic() < deadline, f"{uri} does not answer"
            time.sleep(0.05)


def _answers(client: pymongo.MongoClient[dict[str, object]]) -> bool:
    try:
        client.admin.command("ping")
    except PyMongoError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
