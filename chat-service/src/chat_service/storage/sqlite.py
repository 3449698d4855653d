"""The SQLite file: one writer thread with group commit, a few reader threads, a lock for `serve`.

Every write job that waits while a commit is on its way joins the next transaction, so the cost of one fsync
(synchronous=FULL) is shared by all of them. A job runs in a savepoint of its own: one that fails takes
nothing else with it. No result is given out before the commit that holds it.
"""

from __future__ import annotations

import asyncio
import fcntl
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import structlog

from chat_service.model.errors import ChatError, unavailable

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

GROUP_LIMIT = 512
"""Most jobs in one transaction: bounds how long the first of them waits for the last."""

BUSY_TIMEOUT_MS = 5_000
"""How long another process may hold the write lock before a write fails (retryable)."""

READERS = 4

log = structlog.get_logger()


class SqliteStore:
    """One SQLite database file, for one event loop.

    `write` and `read` take a function of a connection and run it in a thread. Both raise ChatError
    `unavailable` when SQLite cannot do it now (locked by another process for too long, disk full, I/O
    error); sqlite3.IntegrityError and ChatErrors of the job itself pass through unchanged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._jobs: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._lock_file: Any = None

    async def open(self, *, exclusive: bool) -> None:
        """Open the file, making it and its folder where missing.

        `exclusive` takes the lock that lets only one `serve` use a file. Raises RuntimeError where another
        one holds it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if exclusive:
            self._take_lock()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-read")
        self._writer = threading.Thread(target=self._write_loop, name="sqlite-write", daemon=True)
        self._writer.start()
        await self.write(lambda _: None)  # opens the file: what is wrong with it is said here

    async def close(self) -> None:
        """Finish every write that was taken, then close all connections and release the lock."""
        # Taken first: what is asked for while we wait is refused, it would stand behind the end and never run.
        writer, self._writer = self._writer, None
        readers, self._readers = self._readers, None
        if writer is not None:
            self._jobs.put(None)
            await asyncio.to_thread(writer.join)
        if readers is not None:
            await asyncio.to_thread(readers.shutdown)
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    async def write(self, job: Job[T]) -> T:
        """Run `job` inside the next transaction; return its result once that is durably committed."""
        if self._writer is None:
            raise unavailable("The store is closed.")
        pending = _Pending(job, asyncio.get_running_loop().create_future())
        self._jobs.put(pending)
        result: T = await pending.future
        return result

    async def read(self, job: Job[T]) -> T:
        """Run `job` on a read-only connection; it sees everything committed before the call."""
        if self._readers is None:
            raise unavailable("The store is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, job)

    async def probe(self) -> None:
        """Read something small; raises ChatError `unavailable` where that fails."""
        await self.read(lambda db: db.execute("SELECT 1").fetchone())

    async def data_version(self) -> int:
        """A number that changes when another process has committed to the file (PRAGMA data_version)."""
        return await self.write(lambda db: int(db.execute("PRAGMA data_version").fetchone()[0]))

    def _take_lock(self) -> None:
        lock = self.path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as refusal:
            lock.close()
            raise RuntimeError(
                f"{self.path} is in use by another `chat-service serve`. Stop that one, or set CHAT_DATA_DIR."
            ) from refusal
        self._lock_file = lock

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error:  # what is there is no database, or cannot be read
            connection.close()
            raise
        self._opened.append(connection)
        return connection

    def _read(self, job: Job[T]) -> T:
        connection = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = self._local.connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            try:
                return job(connection)
            finally:
                connection.execute("COMMIT")
        except sqlite3.OperationalError as problem:
            raise _translated(problem) from problem

    def _write_loop(self) -> None:
        connection: sqlite3.Connection | None = None
        while True:
            first = self._jobs.get()
            if first is None:
                return
            group, closing = self._group(first)
            try:
                if connection is None:
                    connection = self._connect()
                    connection.execute("PRAGMA journal_mode = WAL")
                _commit(connection, group)
            except sqlite3.Error as problem:
                log.exception("store.commit_failed", writes=len(group))
                for pending in group:
                    pending.outcome = _translated(problem)
            _deliver(group)
            if closing:
                return

    def _group(self, first: _Pending) -> tuple[list[_Pending], bool]:
        group = [first]
        while len(group) < GROUP_LIMIT:
            try:
                pending = self._jobs.get_nowait()
            except queue.Empty:
                return group, False
            if pending is None:
                return group, True
            group.append(pending)
        return group, False


class _Pending:
    """A write job on its way: its future, and once it ran its result or the error it raised."""

    __slots__ = ("future", "job", "loop", "outcome")

    def __init__(self, job: Job[Any], future: asyncio.Future[Any]) -> None:
        self.job = job
        self.future = future
        self.loop = future.get_loop()
        self.outcome: Any = None

    def settle(self) -> None:
        if self.future.done():
            return
        if isinstance(self.outcome, BaseException):
            self.future.set_exception(self.outcome)
        else:
            self.future.set_result(self.outcome)


def _commit(db: sqlite3.Connection, group: list[_Pending]) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        for pending in group:
            _run(db, pending)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _run(db: sqlite3.Connection, pending: _Pending) -> None:
    db.execute("SAVEPOINT job")
    try:
        pending.outcome = pending.job(db)
    except sqlite3.OperationalError as problem:
        db.execute("ROLLBACK TO job")
        pending.outcome = _translated(problem)
    except Exception as problem:  # noqa: BLE001 - it belongs to the caller, who gets it from the future
        db.execute("ROLLBACK TO job")
        pending.outcome = problem
    db.execute("RELEASE job")


def _deliver(group: list[_Pending]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Pending]] = {}
    for pending in group:
        by_loop.setdefault(pending.loop, []).append(pending)
    for loop, settled in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, settled)


def _settle(group: list[_Pending]) -> None:
    for pending in group:
        pending.settle()


def _translated(problem: sqlite3.Error) -> ChatError:
    return unavailable(f"The store cannot be reached now ({problem}). Try again.")
