"""The SQLite store: group commit, failing jobs, and what becomes of work when it closes."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chat_service.model.errors import ChatError, Code
from chat_service.storage import sqlite as sqlite_module
from chat_service.storage.migrations import Migration, migrate
from chat_service.storage.sqlite import SqliteStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "data" / "chat.db")
    await opened.open(exclusive=True)
    await opened.write(lambda db: db.execute("CREATE TABLE things (name TEXT PRIMARY KEY) STRICT"))
    yield opened
    await opened.close()


def add(name: str) -> sqlite_module.Job[None]:
    def job(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO things VALUES (?)", (name,))

    return job


async def names(store: SqliteStore) -> list[str]:
    return await store.read(lambda db: [name for (name,) in db.execute("SELECT name FROM things ORDER BY name")])


async def refusal(work: object) -> ChatError:
    with pytest.raises(ChatError) as refused:
        await work  # type: ignore[misc]
    return refused.value


async def test_what_waits_while_a_commit_is_on_its_way_shares_the_next_one(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[int] = []
    commit = sqlite_module._commit

    def counted(db: sqlite3.Connection, group: list[sqlite_module._Pending]) -> None:
        commits.append(len(group))
        commit(db, group)

    monkeypatch.setattr(sqlite_module, "_commit", counted)
    begin, go_on = threading.Event(), threading.Event()

    def slow(db: sqlite3.Connection) -> None:
        begin.set()
        go_on.wait(10)

    first = asyncio.ensure_future(store.write(slow))
    await asyncio.to_thread(begin.wait)
    others = [asyncio.ensure_future(store.write(add(f"n{number}"))) for number in range(20)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, *others)
    assert len(await names(store)) == 20
    assert commits == [1, 20]


async def test_a_job_that_fails_takes_nothing_else_with_it(store: SqliteStore) -> None:
    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO things VALUES ('half')")
        raise ZeroDivisionError

    outcomes = await asyncio.gather(
        store.write(add("a")),
        store.write(half),
        store.write(add("a")),
        store.write(lambda db: db.execute("INSERT INTO nowhere VALUES (1)")),
        store.write(add("b")),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [
        type(None),
        ZeroDivisionError,
        sqlite3.IntegrityError,
        ChatError,
        type(None),
    ]
    assert await names(store) == ["a", "b"]


async def test_a_read_sees_what_was_acked_and_may_change_nothing(store: SqliteStore) -> None:
    for number in range(20):
        await store.write(add(f"n{number:02}"))
        assert len(await names(store)) == number + 1
    assert (await refusal(store.read(add("x")))).code is Code.UNAVAILABLE
    assert len(await names(store)) == 20


async def test_writing_while_another_process_holds_the_file_is_told_to_try_again(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.write(lambda db: db.execute("PRAGMA busy_timeout = 20"))
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    error = await refusal(store.write(add("a")))
    assert (error.code, error.retryable) == (Code.UNAVAILABLE, True)
    assert await names(store) == []
    other.execute("COMMIT")
    other.close()
    await store.write(add("a"))
    assert await names(store) == ["a"]


async def test_only_one_may_serve_a_file_and_others_may_still_write_to_it(store: SqliteStore) -> None:
    second = SqliteStore(store.path)
    with pytest.raises(RuntimeError, match="in use by another"):
        await second.open(exclusive=True)
    await second.open(exclusive=False)
    before = await store.data_version()
    assert await store.data_version() == before
    await second.write(add("theirs"))
    assert await store.data_version() != before
    assert await names(store) == ["theirs"]
    await second.close()


async def test_the_file_is_free_once_its_server_has_closed(tmp_path: Path) -> None:
    for _ in range(2):
        store = SqliteStore(tmp_path / "chat.db")
        await store.open(exclusive=True)
        await store.close()


async def test_a_file_that_is_no_database_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "chat.db").write_bytes(b"not a database at all, but long enough to look at" * 100)
    store = SqliteStore(tmp_path / "chat.db")
    assert (await refusal(store.open(exclusive=True))).code is Code.UNAVAILABLE
    await store.close()


async def test_closing_finishes_what_was_taken_and_refuses_what_comes_then(store: SqliteStore) -> None:
    """Regression: a write asked for while the store closed stood behind the end of the writer's queue. Nobody
    ever ran it, and whoever had asked waited for ever; a read raised an error that is no answer.
    """
    taken = [asyncio.ensure_future(store.write(add(f"n{number}"))) for number in range(50)]
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(store.close())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert (await refusal(store.write(add("late")))).code is Code.UNAVAILABLE
        assert (await refusal(names(store))).code is Code.UNAVAILABLE
        await asyncio.gather(closing, *taken)
    again = SqliteStore(store.path)
    await again.open(exclusive=True)
    assert len(await names(again)) == 50
    await again.close()


async def test_whoever_gives_up_on_a_write_harms_nobody(store: SqliteStore) -> None:
    given_up = asyncio.ensure_future(store.write(add("a")))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    await store.write(add("b"))
    assert "b" in await names(store)


# Migrations

FIRST = Migration("1", ("CREATE TABLE one (x INTEGER)",))
SECOND = Migration("2", ("CREATE TABLE two (x INTEGER)", "INSERT INTO two VALUES (1)"))


async def test_migrations_are_applied_once_and_in_order(store: SqliteStore) -> None:
    assert await migrate(store, [FIRST]) == ["1"]
    assert await migrate(store, [FIRST, SECOND]) == ["2"]
    assert await migrate(store, [FIRST, SECOND]) == []
    assert await store.read(lambda db: db.execute("SELECT count(*) FROM two").fetchone()) == (1,)


async def test_a_migration_that_fails_leaves_nothing_behind(store: SqliteStore) -> None:
    broken = Migration("2", ("CREATE TABLE two (x INTEGER)", "no SQL at all"))
    assert (await refusal(migrate(store, [FIRST, broken]))).code is Code.UNAVAILABLE
    assert await migrate(store, [FIRST, SECOND]) == ["1", "2"]
