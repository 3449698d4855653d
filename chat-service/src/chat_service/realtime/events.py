"""Protocol v1, on the namespace /chat: what its events do, and how each is acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec import UNSET

from chat_service.directory.people import Revocation
from chat_service.engine import Reason
from chat_service.identity.limits import RateLimits, address_key
from chat_service.identity.principal import Principal
from chat_service.identity.revocations import Revocations, covers
from chat_service.identity.sessions import Sessions
from chat_service.model.entries import Kind
from chat_service.model.errors import ChatError, Code
from chat_service.realtime import requests as ask
from chat_service.realtime.acks import failure, receipt, success
from chat_service.realtime.connection import Connection, Refused
from chat_service.realtime.dialects import V1
from chat_service.realtime.reader import SocketReader
from chat_service.rooms.deciding import Receipt
from chat_service.rooms.opening import Held
from chat_service.rooms.reading import Span
from chat_service.rooms.requests import check_length, message_body, parse
from chat_service.rooms.service import Rooms

EXPIRED_GRACE_S = 60
"""How long a connection lives on after its access token ended (DESIGN: protocol v1)."""

REVOKED_CLOSE_S = 1.0
"""How long the client of a revoked session has to close its transport itself."""

MAX_OPEN_ROOMS = 500
"""Rooms that one connection may have open at a time."""


class Participant:
    """A signed-in connection: its reader, whom its latest access token names, and the rooms being opened."""

    __slots__ = ("_turn", "opening", "principal", "reader", "told_at", "warned")

    def __init__(self, reader: SocketReader, principal: Principal) -> None:
        self.reader = reader
        self.principal = principal
        self.warned = False
        self.told_at = 0.0
        self.opening: list[str] = []
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def page(self) -> AsyncIterator[None]:
        """Wait for the turn to be read a page: one at a time, and none while earlier answers pile up.

        However many a client asks for at once, it keeps nobody else waiting for longer than one takes.
        """
        async with self._turn:
            if not await self.reader.drained():
                raise ChatError(Code.ABORTED, "The connection is over.")
            yield


class ChatNamespace:
    """The NamespaceHandler of protocol v1."""

    def __init__(
        self,
        rooms: Rooms,
        sessions: Sessions,
        limits: RateLimits,
        *,
        max_message_chars: int,
        max_connections_per_user: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rooms = rooms
        self._sessions = sessions
        self._limits = limits
        self._max_message_chars = max_message_chars
        self._max_connections_per_user = max_connections_per_user
        self._clock = clock
        self._participants: dict[str, Participant] = {}
        self._down: tuple[str, ...] = ()
        self._per_user: Counter[str] = Counter()
        self._events: Mapping[str, tuple[type[Any], Callable[[Participant, Any], object]]] = {
            "room:open": (ask.OpenRequest, self._open),
            "room:close": (ask.CloseRequest, self._close),
            "room:history": (ask.HistoryRequest, self._history),
            "message:send": (ask.SendRequest, self._send),
            "message:edit": (ask.EditRequest, self._edit),
            "message:delete": (ask.DeleteRequest, self._delete),
            "reaction:set": (ask.ReactionRequest, self._react),
            "pin:set": (ask.PinRequest, self._pin),
            "read:mark": (ask.ReadRequest, self._mark_read),
            "typing": (ask.TypingRequest, self._typing),
            "auth:refresh": (ask.RefreshRequest, self._refresh),
        }

    # -- NamespaceHandler -----------------------------------------------------------------------------

    async def admit(self, connection: Connection, auth: dict[str, Any] | None) -> None:
        """Sign the connection in by the token in `auth`; a refusal carries the error as its data."""
        try:
            token = parse(auth or {}, ask.Auth).token
            principal = self._sessions.authenticate(token)
            self._count_user(principal.user)
            participant = Participant(SocketReader(connection, principal.user, V1), principal)
            try:
                await self._rooms.connect(participant.reader)
                # A revocation that came meanwhile found no participant to end.
                self._sessions.authenticate(token)
            except BaseException:
                self._rooms.disconnect(participant.reader, ())
                self._forget_user(principal.user)
                raise
        except ChatError as refusal:
            raise Refused(refusal.message, refusal.as_dict()) from refusal
        connection.state = participant
        self._participants[connection.id] = participant
        if self._down:
            connection.emit("notice", _health(self._down))

    def event(self, connection: Connection, name: str, args: list[Any]) -> object:
        """Check an event's argument and do what it asks for. Raises ChatError for what cannot be done."""
        participant: Participant = connection.state
        self._limits.check("events_per_address", address_key(connection.address))
        if name not in self._events:
            raise ChatError(Code.INVALID, f"There is no event {name[:64]!r}. See the protocol's documentation.")
        if len(args) != 1:
            raise ChatError(Code.INVALID, f"{name} takes one object, got {len(args)} arguments.")
        kind, act = self._events[name]
        return act(participant, parse(args[0], kind))

    def failed(self, connection: Connection, error: BaseException) -> object:
        """The acknowledgement of an event that raised.

        Who goes too fast is told by a notice as well, once a second: not every event asks for an answer.
        """
        if isinstance(error, ChatError) and error.code is Code.RATE_LIMITED:
            participant: Participant = connection.state
            now = asyncio.get_running_loop().time()
            if now >= participant.told_at + 1.0:
                participant.told_at = now
                connection.emit("notice", {"kind": "rate_limited", "retry_after_ms": error.retry_after_ms})
        return failure(error, connection.namespace)

    def drained(self, connection: Connection) -> None:
        """Wake what waits to write to the connection."""
        participant: Participant = connection.state
        participant.reader.settle(open_=True)

    def gone(self, connection: Connection, reason: str) -> None:
        """End everything of a connection."""
        del reason
        participant = self._participants.pop(connection.id, None)
        if participant is None:
            return
        participant.reader.settle(open_=False)
        self._forget_user(participant.reader.user)
        self._rooms.disconnect(participant.reader, participant.reader.rooms)

    # -- sessions -------------------------------------------------------------------------------------

    def watch(self, revocations: Revocations) -> None:
        """End connections whose session is revoked, as soon as this node reads of it."""
        revocations.listen(self._revoked)

    def close_expired(self) -> None:
        """Warn connections whose token has ended, and close them when its grace is over."""
        now = self._clock()
        for participant in list(self._participants.values()):
            over_s = now - participant.principal.expires
            if over_s >= EXPIRED_GRACE_S:
                participant.reader.connection.close(Reason.SERVER_DISCONNECT)
            elif over_s >= 0 and not participant.warned:
                participant.warned = True
                close_in_ms = int((EXPIRED_GRACE_S - over_s) * 1000)
                notice = {"kind": "token_expired", "close_in_ms": close_in_ms}
                participant.reader.connection.emit("notice", notice)

    def notify(self, notice: dict[str, Any]) -> None:
        """Send a notice to every connection."""
        frames = V1.event("notice", msgspec.json.encode(notice))
        for participant in list(self._participants.values()):
            if frames is not None:
                participant.reader.write(frames)

    def tell_health(self, down: Iterable[str]) -> None:
        """Tell every connection, now and at its beginning, which dependencies of this node are down."""
        now = tuple(sorted(down))
        if now != self._down:
            self._down = now
            self.notify(_health(now))

    def __len__(self) -> int:
        """How many connections are signed in."""
        return len(self._participants)

    def _revoked(self, revocation: Revocation) -> None:
        for participant in list(self._participants.values()):
            if covers(revocation, participant.principal):
                connection = participant.reader.connection
                connection.emit("notice", {"kind": "revoked"})
                # A disconnect, not a lost transport: the official client must not come back by itself. It
                # closes the transport then; one that does not has it closed.
                connection.disconnect()
                asyncio.get_running_loop().call_later(REVOKED_CLOSE_S, connection.close)

    def _count_user(self, user: str) -> None:
        most = self._max_connections_per_user
        if self._per_user[user] >= most:
            message = f"You have {most} connections already. Close some of them first."
            raise ChatError(Code.RATE_LIMITED, message, retry_after_ms=10_000)
        self._per_user[user] += 1

    def _forget_user(self, user: str) -> None:
        self._per_user[user] -= 1
        if not self._per_user[user]:
            del self._per_user[user]

    # -- events ---------------------------------------------------------------------------------------

    async def _open(self, who: Participant, request: ask.OpenRequest) -> object:
        held = Held(
            after=None if request.after is UNSET else request.after,
            after_id=None if request.after_id is UNSET else request.after_id,
            epoch=None if request.epoch is UNSET else request.epoch,
            changes=request.changes,
        )
        reader, room = who.reader, request.room
        self._count_room(who, room)
        who.opening.append(room)
        try:
            async with who.page():
                opened, online = await self._rooms.open(reader, room, held)
        finally:
            who.opening.remove(room)
        # Nothing may be awaited from here on: the answer must come before what is delivered live.
        if room not in reader.rooms or not reader.connection.is_open:
            self._rooms.close(reader, room)
            raise ChatError(Code.ABORTED, "The room was closed meanwhile.")
        return success(opened, online=online)

    def _count_room(self, who: Participant, room: str) -> None:
        reader = who.reader
        if room not in reader.rooms and len(reader.rooms) >= MAX_OPEN_ROOMS:
            # Those that were refused, or ended from our side (removed, resync), still stand there.
            has_open = self._rooms.delivery.has_open
            reader.rooms = {held for held in reader.rooms if held in who.opening or has_open(reader, held)}
            if len(reader.rooms) >= MAX_OPEN_ROOMS:
                raise ChatError(Code.TOO_LARGE, f"A connection can have {MAX_OPEN_ROOMS} rooms open. Close some.")
        reader.rooms.add(room)

    def _close(self, who: Participant, request: ask.CloseRequest) -> object:
        who.reader.rooms.discard(request.room)
        self._rooms.close(who.reader, request.room)
        return success()

    async def _history(self, who: Participant, request: ask.HistoryRequest) -> object:
        span = Span(
            before=None if request.before is UNSET else request.before,
            after=None if request.after is UNSET else request.after,
            around=None if request.around is UNSET else request.around,
            changes=request.changes,
        )
        async with who.page():
            page = await self._rooms.browsing.history(who.reader.user, request.room, span, request.limit)
        return success(page)

    def _send(self, who: Participant, request: ask.SendRequest) -> object:
        body = message_body(request.body.text, request.reply_to, request.files)
        check_length(body["text"], self._max_message_chars)
        thread = None if request.thread is UNSET else request.thread
        return self._write(who, request.room, Kind.MESSAGE, body, request.key, thread)

    def _edit(self, who: Participant, request: ask.EditRequest) -> object:
        check_length(request.body.text, self._max_message_chars)
        body = {"text": request.body.text}
        return self._write(who, request.room, Kind.EDIT, body, request.key, request.target)

    def _delete(self, who: Participant, request: ask.DeleteRequest) -> object:
        return self._write(who, request.room, Kind.DELETE, {}, request.key, request.target)

    def _react(self, who: Participant, request: ask.ReactionRequest) -> object:
        body = {"emoji": request.emoji, "on": request.on}
        return self._write(who, request.room, Kind.REACTION, body, request.key, request.target)

    def _pin(self, who: Participant, request: ask.PinRequest) -> object:
        return self._write(who, request.room, Kind.PIN, {"on": request.on}, request.key, request.target)

    def _write(
        self,
        who: Participant,
        room: str,
        kind: Kind,
        body: dict[str, Any],
        key: str,
        target: int | None = None,
    ) -> asyncio.Future[Any]:
        user = who.reader.user
        self._limits.check("send_per_user", user)
        answer: asyncio.Future[Receipt] = self._rooms.submit(
            user, room, kind, body, key=key, target=target, origin=who.reader
        )
        return receipt(answer)

    async def _mark_read(self, who: Participant, request: ask.ReadRequest) -> object:
        return success(seq=await self._rooms.personal.mark_read(who.reader.user, request.room, request.seq))

    def _typing(self, who: Participant, request: ask.TypingRequest) -> object:
        self._rooms.typing(who.reader, request.room, on=request.on)
        return success()

    def _refresh(self, who: Participant, request: ask.RefreshRequest) -> object:
        principal = self._sessions.authenticate(request.token)
        if principal.user != who.reader.user:
            raise ChatError(Code.FORBIDDEN, "This token is somebody else's. Connect anew to change who you are.")
        who.principal = principal
        who.warned = False
        return success(expires=principal.expires)


def _health(down: Iterable[str]) -> dict[str, Any]:
    return {"kind": "health", "down": list(down)}
