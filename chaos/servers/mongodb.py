"""The MongoDB-protocol server of a round: mongod, else FerretDB as the tests build it, else one that runs."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from pymongo import MongoClient

from chaos.servers.process import HOST, Process, ServerError, free_port, listens

ROOT = Path(__file__).parents[2]
FERRETDB = ROOT / ".cache" / "tools" / "ferretdb"


def store_kind(given: str = "") -> str:
    """What serves the MongoDB protocol here, for a report; `given` is what a server that is not ours is called."""
    if os.environ.get("CHAT_TEST_MONGODB_URI"):
        return given or "the server at CHAT_TEST_MONGODB_URI"
    return "mongod" if shutil.which("mongod") else "FerretDB"


class MongoDB:
    """A server of our own with an empty database, or a new database in the one that CHAT_TEST_MONGODB_URI names.

    The latter is not ours: it is never signalled, and rounds that would are left out.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: Process | None = None
        self._given = os.environ.get("CHAT_TEST_MONGODB_URI", "")
        self.database = f"chaos_{secrets.token_hex(5)}"
        self.port = urlsplit(self._given).port or 27017 if self._given else free_port()

    @property
    def ours(self) -> bool:
        """Whether it may be killed."""
        return not self._given

    @property
    def started(self) -> bool:
        """Whether it was ever started by us."""
        return self._process is not None

    @property
    def process(self) -> Process:
        """The process that was started last."""
        assert self._process is not None, "MongoDB was never started"  # noqa: S101 - a defect of the runner
        return self._process

    def uri(self, port: int) -> str:
        """The address that a node is given, through a link that listens on `port`."""
        if not self._given:
            return f"mongodb://{HOST}:{port}/{self.database}?retryWrites=false"
        told = urlsplit(self._given)
        login = f"{told.username}:{told.password}@" if told.username else ""
        query = f"?{told.query}" if told.query else ""
        return f"mongodb://{login}{HOST}:{port}/{self.database}{query}"

    async def start(self) -> None:
        """Start it, where it is ours, and wait until it answers. Raises ServerError."""
        if not self.ours:
            return
        data = self._folder / "mongodb"
        data.mkdir(parents=True, exist_ok=True)
        self._process = Process("mongodb", self._command(data), dict(os.environ), self._folder / "mongodb.log")
        await self._process.answers(lambda: listens(self.port))

    async def drop(self) -> None:
        """Drop the round's database where the server is not ours and stays."""
        if not self.ours:
            client: MongoClient[dict[str, object]]
            with MongoClient(self.uri(self.port), serverSelectionTimeoutMS=10_000) as client:
                await asyncio.to_thread(client.drop_database, self.database)

    def _command(self, data: Path) -> list[str]:
        mongod = shutil.which("mongod")
        if mongod is not None:
            return [mongod, "--dbpath", str(data), "--bind_ip", HOST, "--port", str(self.port)]
        if FERRETDB.exists():
            return [str(FERRETDB), "-listen", f"{HOST}:{self.port}", "-dir", str(data)]
        raise ServerError(f"no MongoDB-protocol server: no mongod, and {FERRETDB} is not built (scripts/ferretdb)")
