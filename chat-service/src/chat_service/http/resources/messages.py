"""Messages: history and entries of a room, and writing, editing, deleting and reacting."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from chat_service.http.endpoints import AnyEndpoint, Call, Endpoint, Method
from chat_service.model.entries import Kind
from chat_service.model.errors import Code
from chat_service.rooms.browsing import Pins
from chat_service.rooms.deciding import Receipt
from chat_service.rooms.reading import History, Span, ThreadPage
from chat_service.rooms.requests import (
    EditBody,
    Key,
    Limit,
    MessageBody,
    Position,
    Request,
    Seq,
    check_length,
    message_body,
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
    """The messages before the seq `before`, after the seq `after` or around the seq `around`; else the newest."""

    before: Seq | None = None
    after: Position | None = None
    around: Seq | None = None
    limit: Limit = 50
    changes: bool = False

    def __post_init__(self) -> None:
        """One place is meant at most."""
        if sum(place is not None for place in (self.before, self.after, self.around)) > 1:
            raise ValueError("before: expected only one of before, after and around")


class ThreadQuery(Request):
    """The replies before the seq `before`, or the newest."""

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
        asked = call.query
        span = Span(asked.before, asked.after, asked.around, asked.changes)
        return await self._rooms.browsing.history(call.user, call.path["room"], span, asked.limit)

    async def show_thread(self, call: Call[None, ThreadQuery]) -> ThreadPage:
        """Show the thread on a message."""
        asked = call.query
        return await self._rooms.browsing.thread(
            call.user, call.path["room"], call.path["seq"], asked.before, asked.limit
        )

    async def show_pins(self, call: Call[None, None]) -> Pins:
        """Show what is pinned."""
        return await self._rooms.browsing.pins(call.user, call.path["room"])

    async def show_entries(self, call: Call[None, EntriesQuery]) -> Entries:
        """Show what happened, entry by entry."""
        page = await self._rooms.browsing.entries(call.user, call.path["room"], call.query.after, call.query.limit)
        return Entries(
            entries=[msgspec.json.decode(entry, type=ShownEntry) for entry in page.entries],
            last_seq=page.last_seq,
            last_id=page.last_id,
            epoch=page.epoch,
            more=page.more,
        )

    async def post_message(self, call: Call[MessagePost, None]) -> Receipt:
        """Write a message."""
        asked = call.body.body
        body = message_body(asked.text, asked.reply_to, asked.files)
        check_length(body["text"], self._max_chars)
        thread = None if asked.thread is UNSET else asked.thread
        return await self._rooms.act(call.user, call.path["room"], Kind.MESSAGE, body, key=call.key, target=thread)

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

    async def pin_message(self, call: Call[None, None]) -> Receipt:
        """Pin a message."""
        return await self._act(call, Kind.PIN, {"on": True})

    async def unpin_message(self, call: Call[None, None]) -> Receipt:
        """Take a pin away."""
        return await self._act(call, Kind.PIN, {"on": False})

    async def _act(self, call: Call[Any, None], kind: Kind, body: dict[str, Any]) -> Receipt:
        return await self._rooms.act(
            call.user, call.path["room"], kind, body, key=call.key, target=call.path.get("seq")
        )

    def endpoints(self) -> tuple[AnyEndpoint, ...]:
        """What is served."""
        return (*self._reading(), *self._looking_up(), *self._writing(), *self._marking())

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

    def _looking_up(self) -> tuple[AnyEndpoint, ...]:
        return (
            Endpoint(
                "GET",
                "/rooms/{room}/threads/{seq}",
                self.show_thread,
                "Read the thread on a message",
                tag="messages",
                query=ThreadQuery,
                answer=ThreadPage,
                refuses=_READ,
            ),
            Endpoint(
                "GET",
                "/rooms/{room}/pins",
                self.show_pins,
                "List the pinned messages, the newest pin first",
                tag="messages",
                answer=Pins,
                refuses=_READ,
            ),
        )

    def _marking(self) -> tuple[AnyEndpoint, ...]:
        message = "/rooms/{room}/messages/{seq}"
        marks: tuple[tuple[Method, str, Callable[[Call[None, None]], Awaitable[Receipt]], str], ...] = (
            ("PUT", message + "/reactions/{emoji}", self.set_reaction, "React to a message"),
            ("DELETE", message + "/reactions/{emoji}", self.take_reaction_back, "Take my reaction back"),
            ("PUT", message + "/pin", self.pin_message, "Pin a message"),
            ("DELETE", message + "/pin", self.unpin_message, "Unpin a message"),
        )
        return tuple(
            Endpoint(method, path, handler, summary, tag="messages", answer=Receipt, keyed=True, refuses=_WRITE)
            for method, path, handler, summary in marks
        )

    def _writing(self) -> tuple[AnyEndpoint, ...]:
        message = "/rooms/{room}/messages/{seq}"
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
        )
