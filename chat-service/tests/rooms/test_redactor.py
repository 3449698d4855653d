"""The redactor: what a redaction took out of view goes from the store, whatever interrupts it."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from chat_service.directory import sqlite_rooms
from chat_service.directory.sqlite_rooms import SqliteRoomDirectory
from chat_service.log import sqlite as sqlite_log
from chat_service.log.sqlite import SqliteRoomLog
from chat_service.model import ids
from chat_service.model.entries import Entry, Kind
from chat_service.rooms import redacting
from chat_service.rooms.attachments import NoAttachments
from chat_service.rooms.redacting import Redactor
from chat_service.storage.migrations import migrate
from chat_service.storage.sqlite import SqliteStore

from .entries import ALICE, BOB, ROOM, created, entry, joined
from .gates import Fate, Gated, Gates
from .memory_directory import MemoryDirectory
from .memory_log import MemoryLog
from .one_node import one_node
from .virtual_time import played, virtual_loop

TALK = (
    created(),
    joined(2, BOB),
    entry(3, body={"text": "secret of alice"}),
    entry(4, sender=BOB, body={"text": "secret of bob"}),
    entry(5, Kind.EDIT, {"text": "secret of bob, edited"}, target=4, sender=BOB),
    entry(6, body={"text": "plain"}),
    entry(7, Kind.EDIT, {"text": "secret of alice, edited late"}, target=3),
)


def texts(log: MemoryLog) -> dict[int, str]:
    return {one.seq: one.body["text"] for one in log.entries(ROOM) if "text" in one.body}


def log_with(*redactions: Entry) -> MemoryLog:
    log = MemoryLog()
    assert log.insert(ROOM, [*TALK, *redactions]) == len(TALK) + len(redactions)
    return log


@played
@pytest.mark.parametrize(
    ("redaction", "left"),
    [
        (entry(8, Kind.DELETE, target=4), {3, 6, 7}),
        (entry(8, Kind.RETAIN, {"upto": 5}), {6}),
        (entry(8, Kind.ERASE, {"user": BOB, "upto": 7}), {3, 6, 7}),
        (entry(8, Kind.ERASE, {"user": ALICE, "upto": 3}), {4, 5, 6}),
    ],
    ids=["a deletion", "retention", "erasure", "erasure up to a seq"],
)
async def test_the_words_go_and_with_them_every_edit_of_them(redaction: Entry, left: set[int]) -> None:
    """Regression: an edit beyond the range of a retention stayed in the store: the message was gone, and its
    last version was not.
    """
    log, directory = log_with(redaction), MemoryDirectory()
    await Redactor(log, directory, NoAttachments()).overwrite(ROOM)
    assert set(texts(log)) == left
    assert [one.seq for one in log.entries(ROOM)] == list(range(1, 9))
    assert directory.cursors == {ROOM: 8}


@played
async def test_a_long_range_goes_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redacting, "PAGE", 2)
    log = log_with(*(entry(seq, body={"text": f"{seq}"}) for seq in range(8, 20)))
    log.insert(ROOM, [entry(20, Kind.RETAIN, {"upto": 18}), entry(21, Kind.DELETE, target=19)])
    await Redactor(log, MemoryDirectory(), NoAttachments()).overwrite(ROOM)
    assert texts(log) == {}


@played
async def test_a_redaction_is_worked_through_as_soon_as_it_is_acked() -> None:
    async with one_node() as node:
        stored = await node.say(BOB, "secret")
        await node.act(ALICE, Kind.DELETE, stored.seq)
        assert stored.seq not in texts(node.log)
        assert node.directory.cursors == {ROOM: 8}


@played
async def test_erasing_a_person_takes_their_words_out_of_every_room_they_were_ever_in() -> None:
    async with one_node() as node:
        await node.rooms.act(BOB, "c" + "b" * 21, Kind.CREATE, {"kind": "channel", "name": "x"})
        await node.rooms.act(BOB, "c" + "b" * 21, Kind.MESSAGE, {"text": "mine"})
        await node.say(BOB, "secret")
        await node.act(ALICE, Kind.LEAVE, user=BOB)
        assert await node.rooms.erase_user(BOB) == 2
        everything = [one for room in node.log.rooms for one in node.log.entries(room)]
        assert all(one.redacted for one in everything if one.sender == BOB and one.kind is Kind.MESSAGE)
        assert not any(one.redacted for one in everything if one.sender != BOB)
        assert await node.rooms.erase_user(BOB) == 2


@played
@pytest.mark.parametrize("calls", range(6))
async def test_what_a_crash_interrupts_the_next_start_ends(calls: int) -> None:
    """Killed at every call of the store in turn: between the append and the overwriting, and inside it."""
    redactions = (entry(8, Kind.RETAIN, {"upto": 5}), entry(9, Kind.DELETE, target=6))
    log, directory, gates = log_with(*redactions), MemoryDirectory(), Gates()
    killed = Redactor(Gated(log, gates, "A"), Gated(directory, gates, "A"), NoAttachments())
    await killed.start()
    for _ in range(calls):
        await virtual_loop().idle()
        gates.let(0, Fate.DONE)
    await virtual_loop().idle()
    await killed.stop()
    assert {3, 4, 5, 6, 7} & set(texts(log)), "not done yet"
    restarted = Redactor(log, directory, NoAttachments())
    await restarted.start()
    await virtual_loop().idle()
    await restarted.stop()
    assert texts(log) == {}
    assert directory.cursors == {ROOM: 9}


@played
async def test_a_store_that_is_away_is_tried_again() -> None:
    log, directory, gates = log_with(entry(8, Kind.DELETE, target=4)), MemoryDirectory(), Gates()
    redactor = Redactor(Gated(log, gates, "A"), Gated(directory, gates, "A"), NoAttachments())
    await redactor.start()
    for _ in range(3):
        await virtual_loop().idle()
        gates.let(0, Fate.FAILED)
        await asyncio.sleep(redacting.RETRY_S)
    gates.open_all()
    await asyncio.sleep(redacting.RETRY_S * 2)
    assert set(texts(log)) == {3, 6, 7}
    await redactor.stop()


@played
async def test_a_redaction_of_another_process_is_found_by_looking_again() -> None:
    async with one_node() as node:
        node.elsewhere(entry(7, Kind.DELETE, target=5))
        await node.rooms.look_again()
        await virtual_loop().idle()
        assert 5 not in texts(node.log)


async def test_the_words_are_gone_from_the_table(tmp_path: Path) -> None:
    """Not only from what is shown: the file itself holds them no longer under any row."""
    store = SqliteStore(tmp_path / "chat.db")
    await store.open(exclusive=True)
    await migrate(store, (*sqlite_log.MIGRATIONS, *sqlite_rooms.MIGRATIONS))
    log, directory = SqliteRoomLog(store), SqliteRoomDirectory(store)
    system = ids.SYSTEM_SENDER
    redactions = (entry(8, Kind.DELETE, target=4), entry(9, Kind.RETAIN, {"upto": 3}, sender=system))
    assert await log.append(ROOM, 1, [*TALK, *redactions]) == 9
    await Redactor(log, directory, NoAttachments()).overwrite(ROOM)
    await store.close()
    with sqlite3.connect(tmp_path / "chat.db") as db:
        dumped = "\n".join(db.iterdump())
    db.close()
    assert "secret" not in dumped
    assert "plain" in dumped
