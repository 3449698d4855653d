"""Objects: where the bytes of files are kept, a local folder or a bucket. The only module that imports obstore."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from chat_service.model.errors import unavailable

T = TypeVar("T")

CHUNK_BYTES = 256 * 1024
THREADS = 4

_FAILURES = (BaseError, OSError)


class Objects:
    """Bytes by name. Every method raises ChatError `unavailable` where the store cannot be reached.

    obstore is called from threads of our own and not from the event loop: its own threads can still hold
    Python objects when a process ends, which ends it by force.
    """

    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="objects")

    @classmethod
    def open(cls, url: str | None, folder: Path) -> Objects:
        """Open the bucket at `url` (s3://, gs://, az://, file://), or without one the local `folder`.

        Credentials of a cloud are those of its environment. Raises ValueError for a URL that cannot be used.
        """
        if url is None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return cls(LocalStore(folder), folder)
        try:
            return cls(from_url(url))
        except BaseError as problem:
            raise ValueError(f"CHAT_FILES_URL cannot be used: {type(problem).__name__}") from problem

    async def close(self) -> None:
        """End the threads."""
        await asyncio.to_thread(self._threads.shutdown)

    async def put(self, name: str, file: BinaryIO) -> None:
        """Keep what `file` holds as `name`; durable once this returns."""

        def run() -> None:
            file.seek(0)
            obstore.put(self._store, name, file)
            if self._folder is not None:  # it writes and renames, and leaves the rest to the system
                _sync(self._folder / name)
                _sync((self._folder / name).parent)

        await self._in_thread(run)

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """The bytes of `name`, piece by piece. Raises KeyError where there is no such object."""

        def begin() -> Iterator[bytes]:
            return iter(obstore.get(self._store, name).stream(min_chunk_size=CHUNK_BYTES))

        pieces = await self._in_thread(begin, name)
        while (piece := await self._in_thread(lambda: next(pieces, None))) is not None:
            yield bytes(piece)

    async def remove(self, name: str) -> None:
        """Remove `name`; nothing where there is no such object."""

        def run() -> None:
            try:
                obstore.delete(self._store, name)
            except FileNotFoundError:
                return

        await self._in_thread(run)

    async def older_than(self, seconds: float) -> list[str]:
        """The names of objects that were written longer ago than this."""

        def run() -> list[str]:
            before = datetime.now(UTC) - timedelta(seconds=seconds)
            return [
                found["path"]
                for page in obstore.list(self._store)
                for found in page
                if found["last_modified"] < before
            ]

        return await self._in_thread(run)

    async def _in_thread(self, work: Callable[[], T], name: str | None = None) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except FileNotFoundError as gone:
            raise KeyError(name) from gone
        except _FAILURES as problem:
            raise unavailable(f"Files cannot be reached now ({type(problem).__name__}). Try again.") from problem


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
