"""Folding: a page of history and everything live after it is what a fresh page would be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chat_service.model.entries import Entry, wire
from chat_service.model.rooms import RoomState
from chat_service.rooms.attachments import NoAttachments
from chat_service.rooms.reading import LogReader, Span
from chat_service.rooms.redacting import Redactor

from .entries import BOB, CAROL, ROOM, created, joined
from .growing import CHANGES, TALK, Wish, grow, grown
from .judging import fold_all
from .memory_directory import MemoryDirectory
from .memory_log import MemoryLog
from .profiles import long, search
from .virtual_time import play

BEGIN = (created(), joined(2, BOB), joined(3, CAROL))


class ClientRoom:
    """What a client shows of a room, and the rules by which it applies entries: the reference for clients."""

    def __init__(self, messages: Sequence[dict[str, Any]]) -> None:
        self.messages = {message["seq"]: message for message in messages}

    def apply(self, entry: dict[str, Any]) -> None:
        """Take one more entry in, in order of seq."""
        kind, body, target = entry["kind"], entry.get("body"), self.messages.get(entry.get("target"))
        if kind == "message" and "target" not in entry:
            self._message(entry, body)
        elif kind == "message" and target is not None:
            target["replies"], target["last_reply_ts"] = target.get("replies", 0) + 1, entry["ts"]
        elif kind == "pin" and target is not None and not target.get("redacted"):
            target["pinned"] = body["on"]
        elif kind == "edit" and target is not None and body is not None and not target.get("redacted"):
            target["body"] = {**target["body"], **body}
            target["edited"], target["edited_ts"] = entry["seq"], entry["ts"]
        elif kind == "reaction" and target is not None and not target.get("redacted"):
            self._react(target, entry)
        elif kind == "delete":
            self._delete(target, body)
        elif kind in {"retain", "erase"}:
            for message in self.messages.values():
                if message["seq"] <= body["upto"] and message["sender"] == body.get("user", message["sender"]):
                    self._redact(message)

    def _delete(self, target: dict[str, Any] | None, body: dict[str, Any]) -> None:
        if target is not None:
            self._redact(target)
        thread = self.messages.get(body.get("thread"))
        if thread is not None:
            thread["replies"] -= 1

    def _message(self, entry: dict[str, Any], body: dict[str, Any] | None) -> None:
        message = {name: entry[name] for name in ("seq", "id", "sender", "ts", "key")}
        self.messages[entry["seq"]] = message | ({"redacted": True} if body is None else {"body": body})

    def _react(self, message: dict[str, Any], entry: dict[str, Any]) -> None:
        reactions = message.setdefault("reactions", {})
        people = reactions.setdefault(entry["body"]["emoji"], [])
        if entry["body"]["on"] and entry["sender"] not in people:
            people.append(entry["sender"])
        elif not entry["body"]["on"] and entry["sender"] in people:
            people.remove(entry["sender"])
        message["reactions"] = {emoji: people for emoji, people in reactions.items() if people}
        if not message["reactions"]:
            del message["reactions"]

    def _redact(self, message: dict[str, Any]) -> None:
        for name in ("body", "edited", "edited_ts", "reactions", "pinned"):
            message.pop(name, None)
        message["redacted"] = True


async def page(log: MemoryLog, known: RoomState, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The newest page of history, as JSON, and up to where it is folded."""
    history = await LogReader(log).history(known, 1, Span(), limit)
    return [msgspec.to_builtins(message) for message in history.messages], history.as_of


async def apply_and_compare(
    before: list[Wish], after: list[Wish], limit: int, *, raw: bool, words_gone: int
) -> None:
    log = MemoryLog()
    entries = grown(before, BEGIN)
    log.insert(ROOM, entries)
    messages, as_of = await page(log, fold_all(entries), limit)
    client = ClientRoom(messages)
    redactor = Redactor(log, MemoryDirectory(), NoAttachments())
    for number, wish in enumerate(after):
        if number == words_gone:
            await redactor.overwrite(ROOM)
        length = len(entries)
        grow(entries, wish)
        log.insert(ROOM, entries[length:])
    state = fold_all(entries)
    for entry in await received(log, state, entries, as_of, raw=raw):
        client.apply(entry)
    fresh, _ = await page(log, state, len(entries))
    first = min(client.messages, default=0)
    shown = [ordered(client.messages[seq]) for seq in sorted(client.messages)]
    assert shown == [ordered(message) for message in fresh if message["seq"] >= first]


async def received(
    log: MemoryLog, state: RoomState, entries: Sequence[Entry], as_of: int, *, raw: bool
) -> list[dict[str, Any]]:
    """What comes after `as_of`: live as it was appended (`raw`), or later from the log, masked."""
    if raw:
        return [wire(entry) for entry in entries[as_of:]]
    items = await LogReader(log).items(state, as_of, len(entries) + 1)
    return [msgspec.json.decode(item.wire) for item in items]


def ordered(message: dict[str, Any]) -> dict[str, Any]:
    """A message to be compared: reactions without the order of emoji, and nothing of what is not there."""
    replies = message.get("replies", 0)
    return message | {
        "reactions": sorted(message.get("reactions", {}).items()),
        "pinned": message.get("pinned", False),
        "replies": replies,
        "last_reply_ts": message.get("last_reply_ts") if replies else None,
    }


@search(800)
@given(
    before=long(TALK, 24),
    after=long(TALK, 24),
    limit=st.integers(1, 8),
    raw=st.booleans(),
    words_gone=st.integers(0, 20),
)
def test_a_page_and_what_comes_after_it_is_a_fresh_page(
    before: list[Wish], after: list[Wish], limit: int, words_gone: int, *, raw: bool
) -> None:
    """Whatever mix of messages, edits, reactions and redactions, and whether the words are gone from the store."""
    play(lambda: apply_and_compare(before, after, limit, raw=raw, words_gone=words_gone))


@search(150)
@given(wanted=long(TALK, 30), limit=st.integers(1, 5))
def test_pages_of_history_together_are_the_whole_history(wanted: list[Wish], limit: int) -> None:
    async def main() -> None:
        log = MemoryLog()
        entries = grown(wanted, BEGIN)
        log.insert(ROOM, entries)
        reader, state = LogReader(log), fold_all(entries)
        whole = (await reader.history(state, 1, Span(), len(entries))).messages
        collected, before, more = [], None, True
        while more:
            history = await reader.history(state, 1, Span(before=before), limit)
            collected[:0] = history.messages
            more = history.more
            before = history.messages[0].seq if history.messages else None
        assert collected == whole

    play(main)


@search(300)
@given(
    wanted=long(st.one_of(TALK, CHANGES), 40),
    limit=st.integers(1, 6),
    around=st.integers(1, 45),
    down=st.booleans(),
)
def test_pages_around_a_message_meet_in_both_directions(
    wanted: list[Wish], limit: int, around: int, *, down: bool
) -> None:
    """From wherever one begins: all messages, and all changes of the room, each once and in order."""

    async def main() -> None:
        log = MemoryLog()
        entries = grown(wanted, BEGIN)
        log.insert(ROOM, entries)
        reader, state = LogReader(log), fold_all(entries)
        first = Span(after=0, changes=True) if down else Span(around=around, changes=True)
        pages = [await reader.history(state, 1, first, limit)]
        while pages[0].more:
            before = Span(before=pages[0].messages[0].seq, changes=True)
            pages.insert(0, await reader.history(state, 1, before, limit))
        while pages[-1].newer:
            after = Span(after=pages[-1].messages[-1].seq, changes=True)
            pages.append(await reader.history(state, 1, after, limit))
        whole = await reader.history(state, 1, Span(changes=True), len(entries))
        assert [message for page in pages for message in page.messages] == whole.messages
        assert [change for page in pages for change in page.changes or ()] == whole.changes
        assert all(len(page.messages) <= limit for page in pages)

    play(main)


@search(300)
@given(wanted=long(TALK, 30))
def test_after_the_redactor_no_covered_word_is_in_the_store(wanted: list[Wish]) -> None:
    """What the read paths mask is exactly what is overwritten, edits that stand beyond a range included."""

    async def main() -> None:
        log = MemoryLog()
        entries = grown(wanted, BEGIN)
        log.insert(ROOM, entries)
        shown = await LogReader(log).items(fold_all(entries), 0, len(entries))
        await Redactor(log, MemoryDirectory(), NoAttachments()).overwrite(ROOM)
        assert [wire(entry) for entry in log.entries(ROOM)] == [msgspec.json.decode(one.wire) for one in shown]

    play(main)
