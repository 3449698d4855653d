"""Messages: history and entries of a room, and writing, editing, deleting and reacting."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from chat_service.http.endpoints import AnyEndpoint, Call, Endpoint
from chat_service.model.entries import Kind
from chat_service.model.errors import Code
from chat_service.rooms.deciding import Receipt
from chat_service.rooms.reading import History
from chat_service.rooms.requests import (
    EditBody,
    Key,
    Limit,
    MessageBody,
    Position,
    Request,
    Seq,
    check_length,
)
from chat_service.rooms.service import Rooms

_WRITE = (Code.FORBIDDEN, Code.NOT_FOUND, Code.KEY_REUSED, Code.ABORTED, Code.OVERLOADED)
_READ = (Code.FORBIDDEN, Code.NOT_FOUND)


class MessagePost(Request):
    """A message to be written."""

    body: MessageBody
    key: Key | UnsetType = UNSET


class MessageEdit(Request):
    """What a message is to say instead."""

    body: EditBody
    key: Key | UnsetType = UNSET


class ShownEntry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One entry of a room's log; a redacted one has no body. `ts` in milliseconds since 1970."""

    room: str
    seq: int
    id: str
    kind: Kind
    sender: str
    ts: int
    key: str | UnsetType = UNSET
    target: int | UnsetType = UNSET
    redacted: bool = False
    body: dict[str, Any] | UnsetType = UNSET


class Entries(msgspec.Struct, kw_only=True):
    """A page of entries, ascending. `last_seq` and `last_id` are the log's end; `more` are after these."""

    entries: list[ShownEntry]
    last_seq: int
    last_id: str
    epoch: str
    more: bool


class HistoryQuery(Request):
    """The messages before the seq `before`, or the newest."""

    before: Seq | None = None
    limit: Limit = 50


class EntriesQuery(Request):
    """The entries after the seq `after`."""

    after: Position = 0
    limit: Limit = 100


class MessagesResource:
    """Endpoints below /rooms/{room} that are about what is said. A text has at most `max_chars` characters."""

    def __init__(self, rooms: Rooms, max_chars: int) -> None:
        self._rooms = rooms
        self._max_chars = max_chars

    async def show_history(self, call: Call[None, HistoryQuery]) -> History:
        """Show messages as they are now."""
        return await self._rooms.history(call.user, call.path["room"], call.query.before, call.query.limit)

    async def show_entries(self, call: Call[None, EntriesQuery]) -> Entries:
        """Show what happened, entry by entry."""
        page = await self._rooms.entries(call.user, call.path["room"], call.query.after, call.query.limit)
        return Entries(
            entries=[msgspec.json.decode(entry, type=ShownEntry) for entry in page.entries],
            last_seq=page.last_seq,
            last_id=page.last_id,
            epoch=page.epoch,
            more=page.more,
        )

    async def post_message(self, call: Call[MessagePost, None]) -> Receipt:
        """Write a message."""
        check_length(call.body.body.text, self._max_chars)
        return await self._act(call, Kind.MESSAGE, msgspec.to_builtins(call.body.body))

    async def edit_message(self, call: Call[MessageEdit, None]) -> Receipt:
        """Replace a message's text."""
        check_length(call.body.body.text, self._max_chars)
        return await self._act(call, Kind.EDIT, msgspec.to_builtins(call.body.body))

    async def delete_message(self, call: Call[None, None]) -> Receipt:
        """Delete a message."""
        return await self._act(call, Kind.DELETE, {})

    async def set_reaction(self, call: Call[None, None]) -> Receipt:
        """Set the caller's reaction."""
        return await self._act(call, Kind.REACTION, {"emoji": call.path["emoji"], "on": True})

    async def take_reaction_back(self, call: Call[None, None]) -> Receipt:
        """Take the caller's reaction back."""
        return await self._act(call, Kind.REACTION, {"emoji": call.path["emoji"], "on": False})

    async def _act(self, call: Call[Any, None], kind: Kind, body: dict[str, Any]) -> Receipt:
        return await self._rooms.act(
            call.user, call.path["room"], kind, body, key=call.key, target=call.path.get("seq")
        )

    def endpoints(self) -> tuple[AnyEndpoint, ...]:
        """What is served."""
        return (*self._reading(), *self._writing())

    def _reading(self) -> tuple[AnyEndpoint, ...]:
        return (
            Endpoint(
                "GET",
                "/rooms/{room}/messages",
                self.show_history,
                "Read messages, with edits, deletions and reactions applied",
                tag="messages",
                query=HistoryQuery,
                answer=History,
                refuses=_READ,
            ),
            Endpoint(
                "GET",
                "/rooms/{room}/entries",
                self.show_entries,
                "Read the log, entry by entry",
                tag="messages",
                query=EntriesQuery,
                answer=Entries,
                refuses=_READ,
            ),
        )

    def _writing(self) -> tuple[AnyEndpoint, ...]:
        message = "/rooms/{room}/messages/{seq}"
        reaction = message + "/reactions/{emoji}"
        return (
            Endpoint(
                "POST",
                "/rooms/{room}/messages",
                self.post_message,
                "Write a message",
                tag="messages",
                body=MessagePost,
                answer=Receipt,
                status=201,
                keyed=True,
                refuses=_WRITE,
            ),
            Endpoint(
                "PATCH",
                message,
                self.edit_message,
                "Edit my message",
                tag="messages",
                body=MessageEdit,
                answer=Receipt,
                keyed=True,
                refuses=_WRITE,
            ),
            Endpoint(
                "DELETE",
                message,
                self.delete_message,
                "Delete a message",
                tag="messages",
                answer=Receipt,
                keyed=True,
                refuses=_WRITE,
            ),
            Endpoint(
                "PUT",
                reaction,
                self.set_reaction,
                "React to a message",
                tag="messages",
                answer=Receipt,
                keyed=True,
                refuses=_WRITE,
            ),
            Endpoint(
                "DELETE",
                reaction,
                self.take_reaction_back,
                "Take my reaction back",
                tag="messages",
                answer=Receipt,
                keyed=True,
                refuses=_WRITE,
            ),
        )
