"""Searching: messages in the rooms that somebody may read, newest first."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chat_service.directory.rooms import RoomDirectory
from chat_service.directory.texts import Found, MessageTexts, TextQuery
from chat_service.model import ids
from chat_service.model.errors import ChatError
from chat_service.model.folding import Message
from chat_service.rooms.browsing import Browsing
from chat_service.rooms.publishing import People
from chat_service.rooms.requests import RequestError
from chat_service.rooms.search_query import Asked

PUBLIC_ROOMS_MOST = 1000
"""Public channels that are searched beside one's own rooms."""

PUBLIC_PAGE = 200
INDEX_PAGES_MOST = 5
"""Pages of the index that one search reads: where most of what it finds is gone, the next page goes on."""

ME = "me"


class Hit(msgspec.Struct, frozen=True):
    """A message that was found, and its room."""

    room: str
    message: Message


class Hits(msgspec.Struct, frozen=True):
    """A page of what was found, newest first; `next` is the `before` of the next page, null at the end."""

    hits: list[Hit]
    next: str | None


class Searching:
    """Searches messages. Nobody finds what they may not read: each hit is read from its log before it is shown."""

    def __init__(self, texts: MessageTexts, directory: RoomDirectory, browsing: Browsing, people: People) -> None:
        self._texts = texts
        self._directory = directory
        self._browsing = browsing
        self._people = people

    async def search(self, user: str, asked: Asked, before: int | None, limit: int) -> Hits:
        """One page. Raises RequestError for a person or a room that there is not, ChatError `unavailable`."""
        query = TextQuery(
            rooms=await self._rooms(user, asked.rooms),
            words=asked.words,
            phrases=asked.phrases,
            senders=await self._senders(user, asked.senders),
            has_file=asked.has_file,
        )
        hits: list[Hit] = []
        for _ in range(INDEX_PAGES_MOST):
            found = await self._texts.find(query, before, limit)
            shown = await self._readable(user, found)
            for one in found:
                message = shown.get((one.room, one.seq))
                before = one.position
                if message is not None:
                    hits.append(Hit(one.room, message))
                    if len(hits) == limit:
                        return Hits(hits, str(before))
            if len(found) < limit:
                return Hits(hits, None)
        return Hits(hits, str(before))

    async def _readable(self, user: str, found: Sequence[Found]) -> dict[tuple[str, int], Message]:
        seqs: dict[str, list[int]] = {}
        for one in found:
            seqs.setdefault(one.room, []).append(one.seq)
        shown: dict[tuple[str, int], Message] = {}
        for room, wanted in seqs.items():
            try:
                messages = await self._browsing.messages(user, room, wanted)
            except ChatError as refusal:
                if refusal.retryable:
                    raise
                continue  # left, or made private, since the rooms were listed
            shown |= {(room, message.seq): message for message in messages}
        return shown

    async def _rooms(self, user: str, names: Sequence[str]) -> list[str]:
        """The rooms to be searched: all that `user` may read, or those of them that are named."""
        known = {row.room: row.name for row in await self._directory.rooms_of(user)}
        after = ""
        while user[:1] == ids.USER_REGISTERED and len(known) < PUBLIC_ROOMS_MOST:
            page = await self._directory.public_rooms("", after, PUBLIC_PAGE)
            known |= {row.room: row.name for row in page}
            if len(page) < PUBLIC_PAGE:
                break
            after = page[-1].room
        if not names:
            return list(known)
        chosen: dict[str, None] = {}
        for wanted in names:
            same = [room for room, name in known.items() if wanted == room or wanted.casefold() == name.casefold()]
            if not same:
                raise RequestError(f"q: you have no room called {wanted}.", "q")
            chosen |= dict.fromkeys(same)
        return list(chosen)

    async def _senders(self, user: str, handles: Sequence[str]) -> list[str]:
        others = [handle for handle in handles if handle.lower() != ME]
        found = await self._people.ids(others) if others else {}
        senders = [user] if len(others) < len(handles) else []
        for handle in others:
            if handle not in found:
                raise RequestError(f"q: there is nobody called {handle}.", "q")
            senders.append(found[handle])
        return senders
