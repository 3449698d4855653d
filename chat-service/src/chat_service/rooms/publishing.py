"""What follows an append: readers are told, the directory is brought up to date, mentions are noted."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from chat_service.bus import Bus, RoomChanged, RoomFrame
from chat_service.directory.rooms import RoomDirectory
from chat_service.log import RoomLog
from chat_service.model.entries import Entry, Kind
from chat_service.model.rooms import STATE_KINDS, RoomKind, RoomState
from chat_service.model.writes import Write
from chat_service.rooms.attachments import Attachments
from chat_service.rooms.reading import item
from chat_service.rooms.requests import LARGEST_SEQ
from chat_service.rooms.unread import UnreadReports

MENTIONS_MOST = 50
"""People one message can be for: bounds the rows that it writes."""

THREAD_LOOK_BACK = 100
"""Replies that are looked through for who takes part in a thread."""

_MENTION = re.compile(r"(?<![\w@])@([A-Za-z0-9][A-Za-z0-9._-]{0,30}[A-Za-z0-9])")
_LISTED_KINDS = frozenset({Kind.NAME, Kind.TOPIC, Kind.SETTINGS})


class People(msgspec.Struct, frozen=True):
    """What rooms ask of identity: ids by handle, display names by id (of those who can be written to)."""

    ids: Callable[[Collection[str]], Awaitable[Mapping[str, str]]]
    names: Callable[[Collection[str]], Awaitable[Mapping[str, str]]]


class Publisher:
    """The followers of every writer of this node."""

    def __init__(
        self,
        bus: Bus,
        directory: RoomDirectory,
        unread: UnreadReports,
        people: People,
        attachments: Attachments,
        log: RoomLog,
        incarnation: str,
    ) -> None:
        self._bus = bus
        self._directory = directory
        self._unread = unread
        self._people = people
        self._attachments = attachments
        self._log = log
        self._incarnation = incarnation
        self.wrote: Callable[[str], None] = _nobody

    def epoch(self, state: RoomState) -> str:
        """The room's epoch: the store's incarnation and the id of its first entry."""
        return f"{self._incarnation}.{state.first_id}"

    def publish(self, state: RoomState, entries: Sequence[Entry]) -> None:
        """Send entries on the room's channel, and note the room for the next unread report."""
        items = tuple(item(entry) for entry in entries)
        self._bus.publish(RoomFrame(state.room, self.epoch(state), items))
        for entry in entries:
            self._unread.note(entry)
        self.wrote(state.room)

    async def stored(self, state: RoomState, entries: Sequence[Entry]) -> None:
        """Bring the directory up to date; raises ChatError `unavailable` where that has to be repeated."""
        changes = [entry for entry in entries if entry.kind in STATE_KINDS]
        if changes:
            users = {user for entry in changes for user in _people_of(entry)}
            await self._directory.project(state, users)
            everyone = any(entry.kind in _LISTED_KINDS for entry in changes)
            self._bus.publish(RoomChanged(state.room, tuple(sorted(users)), everyone, state.head.seq))
        mentions = {entry.seq: entry.body["mentions"] for entry in entries if "mentions" in entry.body}
        if mentions:
            await self._directory.add_mentions(state.room, mentions)
        files = [file["id"] for entry in entries for file in entry.body.get("files", ())]
        if files:
            await self._attachments.attached(files)

    async def claim(self, state: RoomState, write: Write) -> Mapping[str, Any]:
        """Reserve the files that a message brings; returns how those are described that it may bring."""
        return await self._attachments.claim(state.room, write.sender, write.key, write.files())

    async def resolve(self, state: RoomState, entries: Sequence[Entry]) -> list[Entry]:
        """Put into messages the ids of the members they are for, and in open rooms their author's name.

        A message is for whom it mentions, and a reply for those who wrote in its thread before. The original
        protocol shows names and cannot look one up. The first deletion of a reply says of which thread it was:
        who has not read the thread counts its replies all the same.
        """
        entries = [await self._with_thread(entry) if entry.kind is Kind.DELETE else entry for entry in entries]
        handles = {handle for entry in entries for handle in _mentioned(entry)}
        authors = {entry.sender for entry in entries if _lacks_name(state, entry)}
        users = await self._people.ids(handles) if handles else {}
        names = await self._people.names(authors) if authors else {}
        roots = {entry.target for entry in entries if entry.kind is Kind.MESSAGE and entry.target is not None}
        threads = {root: await self._thread_people(state.room, root) for root in roots}
        if not users and not names and not threads:
            return entries
        return [_with_name(state, _with_mentions(state, entry, users, threads), names) for entry in entries]

    async def _with_thread(self, deletion: Entry) -> Entry:
        if deletion.target is None:
            return deletion
        deleted = (await self._log.at(deletion.room, [deletion.target])).get(deletion.target)
        if deleted is None or deleted.target is None:
            return deletion
        before = await self._log.targeting(deletion.room, [deletion.target])
        if any(entry.kind is Kind.DELETE for entry in before):
            return deletion
        return msgspec.structs.replace(deletion, body={"thread": deleted.target})

    async def _thread_people(self, room: str, root: int) -> list[str]:
        """Who takes part in a thread: who began it, and who wrote its latest replies."""
        begun = await self._log.at(room, [root])
        replies = await self._log.messages_before(room, LARGEST_SEQ, root, THREAD_LOOK_BACK, thread=root)
        return list(dict.fromkeys(entry.sender for entry in (*begun.values(), *reversed(replies))))


def _nobody(room: str) -> None:
    del room


def _lacks_name(state: RoomState, entry: Entry) -> bool:
    return state.kind is RoomKind.OPEN and entry.kind is Kind.MESSAGE and "name" not in entry.body


def _with_name(state: RoomState, entry: Entry, names: Mapping[str, str]) -> Entry:
    if not _lacks_name(state, entry) or entry.sender not in names:
        return entry
    return msgspec.structs.replace(entry, body={**entry.body, "name": names[entry.sender]})


def _people_of(entry: Entry) -> tuple[str, ...]:
    if entry.kind is Kind.CREATE:
        return (*entry.body.get("members", ()), entry.sender)
    return (entry.body["user"],) if entry.kind in {Kind.JOIN, Kind.LEAVE, Kind.ROLE} else ()


def _mentioned(entry: Entry) -> list[str]:
    text = entry.body.get("text", "") if entry.kind is Kind.MESSAGE else ""
    if "@" not in text:
        return []
    return [match.lower() for match in _MENTION.findall(text)[:MENTIONS_MOST]]


def _with_mentions(
    state: RoomState, entry: Entry, users: Mapping[str, str], threads: Mapping[int, Sequence[str]]
) -> Entry:
    named = [user for handle in _mentioned(entry) if (user := users.get(handle)) is not None]
    if entry.kind is Kind.MESSAGE and entry.target is not None:
        named.extend(user for user in threads[entry.target] if user != entry.sender)
    mentions = [user for user in dict.fromkeys(named) if user in state.members][:MENTIONS_MOST]
    if not mentions:
        return entry
    return msgspec.structs.replace(entry, body={**entry.body, "mentions": mentions})
