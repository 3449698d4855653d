"""What the tests of identity stand on: a real SQLite file, a clock held still, cheap password hashes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from argon2 import PasswordHasher

from chat_service.directory import sqlite_meta, sqlite_people
from chat_service.directory.people import PeopleDirectory
from chat_service.directory.sqlite_meta import SqliteStoreMeta
from chat_service.directory.sqlite_people import SqlitePeopleDirectory
from chat_service.identity.passwords import Passwords
from chat_service.identity.policy import Policy, Registration
from chat_service.identity.principal import Caller
from chat_service.identity.service import Identity
from chat_service.model.errors import ChatError, Code
from chat_service.rate import Rate
from chat_service.storage.migrations import migrate
from chat_service.storage.sqlite import SqliteStore

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
HOME = Caller("192.0.2.1", "Firefox")
AWAY = Caller("198.51.100.7", "Chrome")
PASSWORD = "correct horse battery"

POLICY = Policy(
    registration=Registration.OPEN,
    guests=True,
    access_token_ttl_s=900,
    refresh_token_ttl_s=30 * 86_400,
    signin_attempts=Rate(5, 900, 5),
    register_attempts=Rate(100, 3600, 100),
    guest_attempts=Rate(60, 3600, 60),
)


class Clock:
    """Unix seconds that move only when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


class Gate(PasswordHasher):
    """Hashes and verifies only while it is open, and notes how many wait or work at once."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.opened = threading.Event()
        self.now = 0
        self.most = 0
        self._lock = threading.Lock()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self._pass()
        return super().hash(password, salt=salt)

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - as argon2 names it
        self._pass()
        return super().verify(hash, password)

    def _pass(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.opened.wait(30)
        with self._lock:
            self.now -= 1


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread or task brings about; the test's time limit ends a wait in vain."""
    while not condition():  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0.002)


@asynccontextmanager
async def opened_store(folder: Path) -> AsyncIterator[SqliteStore]:
    """A store as one node has it; a second one on the same folder is a second node."""
    store = SqliteStore(folder / "chat.db")
    await store.open(exclusive=False)
    await migrate(store, (*sqlite_meta.MIGRATIONS, *sqlite_people.MIGRATIONS))
    yield store
    await store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with opened_store(tmp_path) as store:
        yield store


@pytest.fixture
def people(store: SqliteStore) -> PeopleDirectory:
    return SqlitePeopleDirectory(store)


NewNode = Callable[..., Awaitable[Identity]]


@pytest.fixture
async def new_node(tmp_path: Path, clock: Clock) -> AsyncIterator[NewNode]:
    """Give a function that makes a node of one world: `node = await new_node(policy)`."""
    async with AsyncExitStack() as stack:

        async def new_node(policy: Policy = POLICY, passwords: Passwords | None = None) -> Identity:
            store = await stack.enter_async_context(opened_store(tmp_path))
            node = await Identity.open(
                SqlitePeopleDirectory(store),
                SqliteStoreMeta(store),
                policy,
                passwords=passwords or Passwords(CHEAP),
                clock=clock,
            )
            stack.push_async_callback(node.stop)
            return node

        yield new_node


@pytest.fixture
async def node(new_node: NewNode) -> Identity:
    return await new_node()


class Slow:
    """A node that is held up in the middle of hashing a password, while another one gets ahead of it."""

    def __init__(self, node: Identity, gate: Gate) -> None:
        self.node = node
        self._gate = gate

    async def begin(self, request: Coroutine[None, None, object]) -> asyncio.Task[object]:
        task = asyncio.create_task(request)
        await until(lambda: self._gate.now == 1)
        return task

    async def end(self, task: asyncio.Task[object]) -> object:
        self._gate.opened.set()
        return await task


@pytest.fixture
async def slow(request: pytest.FixtureRequest, new_node: NewNode) -> Slow:
    by_invite = "by_invite" in request.fixturenames
    gate = Gate()
    policy = replace(POLICY, registration=Registration.INVITE) if by_invite else POLICY
    return Slow(await new_node(policy, Passwords(gate)), gate)


async def refusal_of(request: Awaitable[object], code: Code) -> ChatError:
    """The error that `request` is refused with, which has to be of this code."""
    with pytest.raises(ChatError) as refusal:
        await request
    assert refusal.value.code is code, refusal.value
    return refusal.value


def stored_bytes(folder: Path) -> bytes:
    """All that the store has written, its write-ahead log too."""
    return b"".join(file.read_bytes() for file in folder.iterdir())
