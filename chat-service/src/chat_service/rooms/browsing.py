"""Browsing: what people look up of rooms, each only what they may see."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chat_service.directory.rooms import RoomDirectory, RoomRow
from chat_service.log import RoomLog
from chat_service.model import ids
from chat_service.model.entries import EMPTY, Entry
from chat_service.model.errors import forbidden, not_found
from chat_service.model.folding import Message
from chat_service.model.permissions import Action
from chat_service.model.rooms import RoomState
from chat_service.rooms.active import ActiveRooms
from chat_service.rooms.publishing import Publisher
from chat_service.rooms.reading import History, LogReader, Span, ThreadPage
from chat_service.rooms.views import (
    UNREAD_MOST,
    EntriesPage,
    MembersPage,
    MemberView,
    RoomSummary,
    RoomView,
    members_page,
    summary,
    view,
)


class Pins(msgspec.Struct, frozen=True):
    """The pinned messages of a room, the newest pin first, folded up to `as_of`."""

    messages: list[Message]
    as_of: int


class Browsing:
    """Answers questions about rooms.

    Every method raises ChatError: `not_found` for what is not there or may not be seen, `forbidden` for what
    the caller's role does not allow, `unavailable` where the store cannot be reached.
    """

    def __init__(
        self,
        room_log: RoomLog,
        directory: RoomDirectory,
        reader: LogReader,
        rooms: ActiveRooms,
        publisher: Publisher,
    ) -> None:
        self._log = room_log
        self._directory = directory
        self._reader = reader
        self._rooms = rooms
        self._publisher = publisher

    async def state(self, user: str, room: str, action: Action = Action.READ) -> RoomState:
        """The room's state, if `user` may do `action` in it."""
        state = (await self._rooms.load_readable(room, user)).state
        if not state.permits(user, action):
            raise forbidden("Your role in this room does not allow this.")
        return state

    async def view(self, user: str, room: str) -> RoomView:
        """The room as `user` sees it."""
        return view(await self.state(user, room), user)

    async def rooms_of(self, user: str) -> list[RoomSummary]:
        """The rooms of `user`, by name."""
        rows = await self._directory.rooms_of(user)
        heads = await self._log.heads([row.room for row in rows])
        # Nobody has missed what they may not read.
        read = {row.room: max(row.read_seq, row.since) for row in rows}
        activity = await self._log.activity(user, read, UNREAD_MOST)
        return [summary(row, heads.get(row.room, EMPTY).seq, activity[row.room]) for row in rows]

    async def public_rooms(self, user: str, query: str, after: str, limit: int) -> list[RoomRow]:
        """Public channels that match; guests find none, they are brought in by invitation."""
        if user[:1] != ids.USER_REGISTERED:
            return []
        return await self._directory.public_rooms(query, after, limit)

    async def members(self, user: str, room: str, after: str, limit: int) -> MembersPage:
        """Members by user id, beyond the id `after`."""
        return members_page(await self.state(user, room, Action.SEE_MEMBERS), after, limit)

    async def members_among(self, user: str, room: str, people: Sequence[str]) -> list[MemberView]:
        """Those of `people` who are members, in that order."""
        members = (await self.state(user, room, Action.SEE_MEMBERS)).members
        return [MemberView(one, members[one].role, members[one].since) for one in people if one in members]

    async def history(self, user: str, room: str, span: Span, limit: int) -> History:
        """Messages of the room itself, folded."""
        state = await self.state(user, room)
        return await self._reader.history(state, state.readable_from(user), span, limit)

    async def thread(self, user: str, room: str, root: int, before: int | None, limit: int) -> ThreadPage:
        """The thread on a message."""
        state = await self.state(user, room)
        return await self._reader.thread(state, state.readable_from(user), root, before, limit)

    async def pins(self, user: str, room: str) -> Pins:
        """The pinned messages that `user` may read."""
        state = await self.state(user, room)
        messages, head = await self._reader.messages(state, state.readable_from(user), state.pins[::-1])
        return Pins(messages, head.seq)

    async def messages(self, user: str, room: str, seqs: Sequence[int]) -> list[Message]:
        """Those messages at `seqs` that `user` may read and that are still there."""
        state = await self.state(user, room)
        messages, _ = await self._reader.messages(state, state.readable_from(user), seqs)
        return messages

    async def entry(self, user: str, room: str, seq: int) -> Entry:
        """One entry, masked where it was redacted."""
        state = await self.state(user, room)
        found = await self._reader.entry(state, seq)
        if found is None or seq < state.readable_from(user):
            raise not_found(f"There is no entry {seq} in this room.")
        return found

    async def entries(self, user: str, room: str, after: int, limit: int) -> EntriesPage:
        """Raw entries after a seq."""
        state = await self.state(user, room)
        first = state.readable_from(user)
        items = await self._reader.items(state, max(after, first - 1), limit)
        head = await self._log.head(room)
        return EntriesPage(
            entries=[msgspec.Raw(one.wire) for one in items],
            last_seq=head.seq,
            last_id=head.id,
            epoch=self._publisher.epoch(state),
            more=bool(items) and items[-1].seq < head.seq,
        )
