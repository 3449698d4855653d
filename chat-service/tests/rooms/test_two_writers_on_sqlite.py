"""Two writers on one SQLite file, each with a store handle of its own, racing for every seq of one room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chat_service.bus.local import LocalBus
from chat_service.directory import sqlite_rooms
from chat_service.directory.sqlite_rooms import SqliteRoomDirectory
from chat_service.log import sqlite as sqlite_log
from chat_service.log.sqlite import SqliteRoomLog
from chat_service.model.entries import Entry, Kind
from chat_service.model.errors import ChatError, Code
from chat_service.model.writes import Write
from chat_service.rooms.attachments import NoAttachments
from chat_service.rooms.deciding import Receipt
from chat_service.rooms.publishing import Publisher
from chat_service.rooms.recent import Recent
from chat_service.rooms.unread import UnreadReports
from chat_service.rooms.waiting import WriterLimits
from chat_service.rooms.writer import RoomWriter
from chat_service.storage.migrations import migrate
from chat_service.storage.sqlite import SqliteStore

from .entries import ALICE, BOB, CAROL, ROOM, say, write
from .judging import check_log, fold_all
from .writer_world import HISTORY, metrics, nobody


class Node:
    """A writer on a store handle of its own. It remembers few entries, so that most keys are looked up."""

    def __init__(self, name: str, store: SqliteStore) -> None:
        self.log = SqliteRoomLog(store)
        self.directory = SqliteRoomDirectory(store)
        bus = LocalBus()
        self.writer = RoomWriter(
            self.log,
            fold_all(HISTORY),
            Publisher(bus, self.directory, UnreadReports(bus, name), nobody(), NoAttachments(), self.log, "world"),
            node=name,
            clock_ms=lambda: 1_800_000_000_000,
            limits=WriterLimits(),
            metrics=metrics(),
        )
        self.writer.picture.recent = Recent(len(HISTORY), 2)

    def submit(self, request: Write, origin: object = None) -> asyncio.Future[Receipt]:
        return self.writer.submit(request, origin or object())

    async def entries(self) -> list[Entry]:
        return await self.log.read(ROOM, 0, 10_000)


@asynccontextmanager
async def two_nodes(folder: Path) -> AsyncIterator[tuple[Node, Node]]:
    stores = [SqliteStore(folder / "chat.db") for _ in range(2)]
    for store in stores:
        await store.open(exclusive=False)
    await migrate(stores[0], (*sqlite_log.MIGRATIONS, *sqlite_rooms.MIGRATIONS))
    one, other = Node("A", stores[0]), Node("B", stores[1])
    await one.log.append(ROOM, 1, HISTORY)
    await one.directory.project(fold_all(HISTORY), [ALICE, BOB, CAROL])
    yield one, other
    for node in (one, other):
        await node.writer.finish()
    for store in stores:
        await store.close()


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[tuple[Node, Node]]:
    async with two_nodes(tmp_path) as pair:
        yield pair


async def test_two_writers_leave_one_log_and_every_connection_its_order(nodes: tuple[Node, Node]) -> None:
    sends = {}
    for turn in range(25):
        for number, node in enumerate(nodes):
            for who in (ALICE, BOB, CAROL):
                connection = (number, who)
                key = f"{number}.{turn}"
                sends.setdefault(connection, []).append((key, node.submit(say(who, key), connection)))
        await asyncio.sleep(0)
    receipts = {
        connection: [(key, await answer) for key, answer in answers] for connection, answers in sends.items()
    }
    entries = await nodes[0].entries()
    check_log(entries)
    assert len(entries) == len(HISTORY) + 150
    for (_, who), answered in receipts.items():
        seqs = [receipt.seq for _, receipt in answered]
        assert seqs == sorted(seqs)
        assert [(entries[seq - 1].sender, entries[seq - 1].key) for seq in seqs] == [
            (who, key) for key, _ in answered
        ]


async def test_the_same_requests_sent_to_both_are_stored_once_each(nodes: tuple[Node, Node]) -> None:
    requests = [say(BOB, f"k{number}") for number in range(40)]
    pairs = [(nodes[0].submit(one), nodes[1].submit(one)) for one in requests]
    for one, other in pairs:
        first, second = await one, await other
        assert (first.seq, first.id) == (second.seq, second.id)
        assert [first.duplicate, second.duplicate].count(False) <= 1
    entries = await nodes[0].entries()
    check_log(entries)
    assert len(entries) == len(HISTORY) + 40


async def test_of_two_requests_with_one_key_one_is_stored_and_the_other_refused(nodes: tuple[Node, Node]) -> None:
    for turn in range(20):
        answers = [node.submit(say(BOB, f"k{turn}", f"text {number}")) for number, node in enumerate(nodes)]
        outcomes = await asyncio.gather(*answers, return_exceptions=True)
        [refused] = [one for one in outcomes if isinstance(one, ChatError)]
        assert refused.code is Code.KEY_REUSED
    check_log(await nodes[0].entries())


async def test_a_key_from_long_ago_is_found_by_whichever_node_is_asked(nodes: tuple[Node, Node]) -> None:
    first = await nodes[0].submit(say(BOB, "long ago"))
    for number in range(5):
        await nodes[1].submit(say(ALICE, f"k{number}"))
    for node in nodes:
        found = await node.submit(say(BOB, "long ago"))
        assert (found.seq, found.id, found.duplicate) == (first.seq, first.id, True)


async def test_whoever_is_removed_on_one_node_writes_no_more_on_the_other(nodes: tuple[Node, Node]) -> None:
    """The race of every send with the removal is decided again after it was lost: permissions included."""
    one, other = nodes
    sends = [other.submit(say(BOB, f"before{number}")) for number in range(5)]
    removal = one.submit(write(Kind.LEAVE, ALICE, "out", {"user": BOB}))
    sends += [other.submit(say(BOB, f"after{number}")) for number in range(5)]
    outcomes = await asyncio.gather(*sends, return_exceptions=True)
    removed = await removal
    seqs = [outcome.seq for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert all(seq < removed.seq for seq in seqs)
    with pytest.raises(ChatError):
        await other.submit(say(BOB, "at last"))
    check_log(await one.entries())
    assert BOB not in (await other.directory.snapshot(ROOM)).members  # type: ignore[union-attr]


async def test_a_message_deleted_on_one_node_is_not_edited_on_the_other(nodes: tuple[Node, Node]) -> None:
    """Targets are looked at again after a lost race."""
    one, other = nodes
    for turn in range(10):
        seq = (await one.submit(say(BOB, f"m{turn}"))).seq
        deletion = one.submit(write(Kind.DELETE, ALICE, f"d{turn}", {}, seq))
        edit = other.submit(write(Kind.EDIT, BOB, f"e{turn}", {"text": "edited"}, seq))
        await asyncio.gather(deletion, edit, return_exceptions=True)
    check_log(await one.entries())
