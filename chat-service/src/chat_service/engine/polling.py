"""The long-polling transport: a queue that polls take from, and POST bodies taken apart."""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from chat_service.engine.frames import Frames
from chat_service.engine.limits import Limits
from chat_service.engine.packets import PacketError, split_payload
from chat_service.engine.refusals import BAD_REQUEST, TOO_LARGE, RequestRefusedError
from chat_service.engine.states import Reason, State

if TYPE_CHECKING:
    from chat_service.engine.session import Session

# After so many packets of one body the loop's other work gets its turn.
BURST = 64

NOOP = b"6"

# A POST during which the session ended for one of these is refused.
_FAULTS = frozenset({Reason.PARSE_ERROR, Reason.TRANSPORT_ERROR, Reason.SLOW_READER})


class Polling:
    """One session's packets for the next poll, and the packets that its POSTs bring."""

    __slots__ = ("_answering", "_last_word", "_limits", "_poll", "_posting", "_queue", "_queued", "_session")

    def __init__(self, session: "Session", limits: Limits) -> None:
        """Start with nothing queued."""
        self._session = session
        self._limits = limits
        self._queue: list[Frames] = []
        self._queued = 0
        self._poll: asyncio.Future[None] | None = None
        self._posting = False
        self._last_word: bytes | None = None
        self._answering: asyncio.Transport | None = None

    @property
    def queued_bytes(self) -> int:
        """Bytes that no poll has taken, and those of the last answer that the kernel has not."""
        answering = self._answering
        return self._queued + (0 if answering is None else answering.get_write_buffer_size())

    def send(self, frames: Frames) -> None:
        """Queue `frames` and let the waiting poll take them."""
        if self._queued > self._limits.hard_limit:
            self._session.overflowed()
            return
        self._queue.append(frames)
        self._queued += len(frames.payload)
        self.release()
        if self._queued > self._limits.high_water:
            self._session.filled()

    def release(self) -> None:
        """Have the waiting poll answered, with no more than a no-op if nothing is queued."""
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(None)

    def take_queue(self) -> list[Frames]:
        """Return what is queued and queue it no longer."""
        queue, self._queue, self._queued = self._queue, [], 0
        return queue

    def end(self, last_word: bytes, *, keep_queue: bool) -> None:
        """Have the last poll answered with `last_word`, and one before it with the queue where that is kept."""
        self._last_word = last_word
        if not keep_queue:
            self.take_queue()
            self._cut_unread_answer()
        self.release()

    async def poll(self, request: web.Request) -> web.Response:
        """Answer a poll as soon as there is something to say.

        Raises:
            RequestRefusedError: when the session is not to be polled, or is polled twice at once.
        """
        session = self._session
        if self._poll is not None or self._answer_unread():
            session.close(Reason.TRANSPORT_ERROR)
            raise RequestRefusedError(BAD_REQUEST)
        self._answering = None
        self._poll = asyncio.get_running_loop().create_future()
        try:
            if session.state in {State.PROBING, State.UPGRADING}:
                # What its WebSocket received in the same turn of the loop was sent before this poll.
                await asyncio.sleep(0)
            if session.state in {State.WEBSOCKET, State.CLOSED}:
                raise RequestRefusedError(BAD_REQUEST)
            if self._queued <= self._limits.low_water:
                session.drained()
            if not self._queue and self._last_word is None and session.state is not State.UPGRADING:
                await self._poll
        finally:
            self._poll = None
        return self._answer(request)

    def _answer(self, request: web.Request) -> web.Response:
        session, transport = self._session, request.transport
        if transport is None or transport.is_closing():
            # The packets stay where they are: nobody would read this answer.
            if session.polling is self:
                session.lost(Reason.TRANSPORT_CLOSE)
            return web.Response()
        body = b"\x1e".join([frames.payload for frames in self.take_queue()])
        if not body:
            # The close packet goes alone: the official client drops what it has not yet handed on
            # when one arrives, so packets of the same answer would be lost.
            body = self._last_word or NOOP
            if session.state is State.CLOSING:
                session.lost(Reason.TRANSPORT_CLOSE)
        self._answering = transport
        return web.Response(
            body=body, headers={"Content-Type": "text/plain; charset=UTF-8", "Cache-Control": "no-store"}
        )

    def _answer_unread(self) -> bool:
        """Whether the last answer is still being sent, which a client that polls again has not awaited."""
        answering = self._answering
        return answering is not None and not answering.is_closing() and answering.get_write_buffer_size() > 0

    def _cut_unread_answer(self) -> None:
        if self._answering is not None and self._answer_unread():
            self._answering.abort()

    async def post(self, request: web.Request) -> web.Response:
        """Take the packets of a POST, in order, as fast as the session reads.

        Raises:
            RequestRefusedError: when the session is over, is posted to twice at once, or the body is not
                what Engine.IO allows: then the session is closed too.
        """
        session = self._session
        if self._posting:
            session.close(Reason.TRANSPORT_ERROR)
            raise RequestRefusedError(BAD_REQUEST)
        if session.state in {State.WEBSOCKET, State.CLOSED}:
            raise RequestRefusedError(BAD_REQUEST)
        # Packets for a session that is closing are dropped, as on a WebSocket: a refusal would
        # have the client give up the poll that brings it its last answers.
        self._posting = True
        try:
            await session.readable()
            await self._take(await self._read_body(request))
        finally:
            self._posting = False
        if session.reason in _FAULTS:
            raise RequestRefusedError(BAD_REQUEST)
        return web.Response(text="ok", headers={"Cache-Control": "no-store"})

    async def _take(self, body: bytes) -> None:
        session = self._session
        try:
            packets = split_payload(body, self._limits.max_packets)
        except PacketError:
            session.close(Reason.PARSE_ERROR)
            return
        for number, (kind, data) in enumerate(packets, start=1):
            if not session.reading:
                await session.readable()
            elif number % BURST == 0:
                await asyncio.sleep(0)
            session.receive(kind, data)

    async def _read_body(self, request: web.Request) -> bytes:
        """Return the body.

        Raises:
            RequestRefusedError: when it is too long, too slow or broken off; the session is closed.
        """
        try:
            async with asyncio.timeout(self._limits.body_timeout):
                body = await self._read_at_most(request, self._limits.max_payload)
        except (TimeoutError, OSError, web.RequestPayloadError) as error:
            self._session.close(Reason.TRANSPORT_ERROR)
            raise RequestRefusedError(BAD_REQUEST) from error
        if body is None:
            self._session.close(Reason.TRANSPORT_ERROR)
            raise RequestRefusedError(TOO_LARGE)
        return body

    @staticmethod
    async def _read_at_most(request: web.Request, limit: int) -> bytes | None:
        """Return the body, None when it is longer than `limit` bytes."""
        if (request.content_length or 0) > limit:
            return None
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > limit:
                return None
        return bytes(body)
