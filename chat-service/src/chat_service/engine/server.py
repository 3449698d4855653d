"""The Engine.IO v4 server: requests to sessions, and what the sessions share."""

import asyncio
import math
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import msgspec
import structlog
from aiohttp import web

from chat_service.engine.deadlines import Deadlines, Timer
from chat_service.engine.frames import TEXT, message_frames, websocket_frame
from chat_service.engine.limits import Limits
from chat_service.engine.origins import Origins
from chat_service.engine.refusals import (
    BAD_METHOD,
    BAD_REQUEST,
    FORBIDDEN_ORIGIN,
    SHUTTING_DOWN,
    UNKNOWN_SESSION,
    UNKNOWN_TRANSPORT,
    UNSUPPORTED_VERSION,
    Refusal,
    RequestRefusedError,
)
from chat_service.engine.session import Client, Session
from chat_service.engine.states import Reason
from chat_service.engine.takeover import TakenOver, accept_key, is_websocket, take_over
from chat_service.engine.upgrade import Upgrade
from chat_service.engine.websocket import WebSocket

log = structlog.get_logger()


def _admit_all(_request: web.Request) -> Refusal | None:
    return None


def _peer_address(request: web.Request) -> str:
    return request.remote or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What an engine is made with.

    limits: bounds and times.
    origins: web origins whose pages may connect, `*` for all; the server's own always may.
    admit: asked before a new session is opened (never for the requests of one that is open); a
        Refusal is answered as it stands.
    client_address: gives the address that a request counts as coming from.
    """

    limits: Limits = field(default_factory=Limits)
    origins: Collection[str] = ()
    admit: Callable[[web.Request], Refusal | None] = _admit_all
    client_address: Callable[[web.Request], str] = _peer_address


@dataclass(slots=True)
class Counts:
    """What an engine has done since it was made, for metrics.

    refused: new sessions refused, by HTTP status. ended: sessions that ended, by reason.
    congested: sessions that are congested now; congestions: how often one became so.
    """

    opened: int = 0
    upgraded: int = 0
    congested: int = 0
    congestions: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    ended: Counter[Reason] = field(default_factory=Counter)


class Engine:
    """An Engine.IO v4 server on aiohttp, for python-socketio's `_engineio_server_class` seam.

    Of engineio.AsyncServer it has what python-socketio itself calls: `on`, `attach`,
    `handle_request`, `generate_id`, `send`, `disconnect`, `transport`, `shutdown`, `async_mode`.
    The handlers given to `on` are plain functions that are called at once and in order, and get the
    Session: `connect(session)`, `message(session, data)`, `disconnect(session, reason)` and
    `drain(session)`.
    """

    async_mode = "aiohttp"

    def __init__(self, *, options: EngineOptions | None = None, async_handlers: bool = False) -> None:
        """Make an engine that serves nothing until it is attached.

        Raises:
            ValueError: when `async_handlers`, which python-socketio passes, is asked for.
        """
        if async_handlers:
            raise ValueError("handlers are called in order; async_handlers is not supported")
        self.options = options or EngineOptions()
        self.limits = limits = self.options.limits
        self.counts = Counts()
        self.sessions: dict[str, Session] = {}
        self._addresses: Counter[str] = Counter()
        self._origins = Origins(self.options.origins)
        self._handlers: dict[str, Callable[..., None]] = {}
        self._emptied: asyncio.Future[None] | None = None
        timer = self._timer = Timer()
        self.pings = Deadlines[Session](timer, limits.ping_interval, Session.ping)
        self.pongs = Deadlines[Session](timer, limits.ping_timeout, lambda session, _: session.pong_missing())
        self.greetings = Deadlines[Session](
            timer, limits.connect_timeout, lambda session, _: session.close(Reason.CONNECT_TIMEOUT)
        )
        self.slow = Deadlines[Session](timer, limits.slow_reader_timeout, lambda session, _: session.still_slow())
        self.farewells = Deadlines[Session](
            timer, limits.close_timeout, lambda session, _: session.give_up_close()
        )
        self.upgrades = Deadlines[Upgrade](timer, limits.upgrade_timeout, lambda upgrade, _: upgrade.expire())
        self.sockets = Deadlines[WebSocket](timer, limits.close_timeout, lambda socket, _: socket.abort())

    # What python-socketio and the application use.

    def on(self, event: str, handler: Callable[..., None]) -> None:
        """Have `handler` called for `event`; see the class for the events."""
        self._handlers[event] = handler

    def attach(self, app: web.Application, path: str = "engine.io") -> None:
        """Serve at `/path/` of `app`, for every method: a wrong one gets the protocol's own error."""
        app.router.add_route("*", f"/{path.strip('/')}/", self.handle_request)

    def generate_id(self) -> str:
        """Return a new id that cannot be guessed (120 random bits)."""
        return secrets.token_urlsafe(15)

    async def send(self, sid: str, data: str | bytes) -> None:
        """Send a message to the session `sid`, if there is one."""
        session = self.sessions.get(sid)
        if session is not None:
            session.write(message_frames(data))

    async def disconnect(self, sid: str) -> None:
        """Close the session `sid`, if there is one."""
        session = self.sessions.get(sid)
        if session is not None:
            session.close()

    def transport(self, sid: str) -> str:
        """Return `polling` or `websocket`.

        Raises:
            KeyError: when there is no session `sid`.
        """
        return self.sessions[sid].transport

    def sessions_from(self, address: str) -> int:
        """How many sessions that are not closed came from `address`."""
        return self._addresses[address]

    async def shutdown(self) -> None:
        """Close every session, and return when each client took its part of it or had its time.

        From now on new sessions are refused.
        """
        self._emptied = asyncio.get_running_loop().create_future()
        for session in list(self.sessions.values()):
            session.close(Reason.SERVER_SHUTDOWN)
        if self.sessions:
            await self._emptied
        # Connections that outlived their sessions, while the client's part of a close was waited for.
        self.sockets.run(math.inf)
        self._timer.stop()

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """Answer a request of the Engine.IO endpoint."""
        try:
            response = await self._answer(request)
        except RequestRefusedError as error:
            response = error.refusal.response()
        response.headers.update(self._origins.headers(request))
        return response

    # What the sessions use (session.Host).

    def message(self, session: Session, data: str | bytes) -> None:
        """Hand a message to the layer above."""
        self._call("message", session, data)

    def upgraded(self, session: Session) -> None:
        """Count an upgrade."""
        del session
        self.counts.upgraded += 1

    def congestion(self, session: Session, congested: bool) -> None:
        """Count a congested session, or tell the layer above that it drained."""
        if congested:
            self.counts.congested += 1
            self.counts.congestions += 1
        else:
            self.counts.congested -= 1
            self._call("drain", session)

    def ended(self, session: Session, reason: Reason) -> None:
        """Tell the layer above that the session is over."""
        self.counts.ended[reason] += 1
        if session.congested:
            self.counts.congested -= 1
        self._call("disconnect", session, reason)

    def closed(self, session: Session) -> None:
        """Forget the session."""
        if self.sessions.pop(session.id, None) is None:
            return
        address = session.client.address
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]
        if not self.sessions and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    # Steps of handling a request.

    async def _answer(self, request: web.Request) -> web.Response:
        if not self._origins.allow(request):
            raise RequestRefusedError(FORBIDDEN_ORIGIN)
        if request.method == "OPTIONS":
            return web.Response(status=204)
        return await self._serve(request, request.query)

    async def _serve(self, request: web.Request, query: Mapping[str, str]) -> web.Response:
        transport = query.get("transport")
        if query.get("EIO") != "4":
            raise RequestRefusedError(UNSUPPORTED_VERSION)
        if transport not in {"polling", "websocket"}:
            raise RequestRefusedError(UNKNOWN_TRANSPORT)
        # JSONP, which `j` asks for, lets any page read answers, whatever its origin.
        if "j" in query or (transport == "websocket") != is_websocket(request):
            raise RequestRefusedError(BAD_REQUEST)
        sid = query.get("sid")
        if sid is None:
            if request.method != "GET":
                raise RequestRefusedError(BAD_METHOD)
            return self._open_websocket(request) if transport == "websocket" else self._open_polling(request)
        session = self._find(sid)
        if transport == "websocket":
            return self._upgrade(session, request)
        return await self._exchange(session, request)

    def _find(self, sid: str) -> Session:
        # What is overdue counts as done, also where the timer has not come to it.
        self._timer.run_due()
        session = self.sessions.get(sid)
        if session is None:
            raise RequestRefusedError(UNKNOWN_SESSION)
        return session

    async def _exchange(self, session: Session, request: web.Request) -> web.Response:
        polling = session.polling
        if polling is None:
            raise RequestRefusedError(BAD_REQUEST)
        if request.method == "GET":
            return await polling.poll(request)
        if request.method == "POST":
            return await polling.post(request)
        raise RequestRefusedError(BAD_REQUEST)

    def _open_polling(self, request: web.Request) -> web.Response:
        self._admit(request)
        session = self._new_session(request)
        packet = self._open_packet(session, upgrades=["websocket"])
        self._opened(session)
        return web.Response(
            body=packet,
            headers={"Content-Type": "text/plain; charset=UTF-8", "Cache-Control": "no-store"},
        )

    def _open_websocket(self, request: web.Request) -> web.Response:
        accept = accept_key(request)
        self._admit(request)
        session = self._new_session(request)
        socket = self._new_socket()
        session.start_websocket(socket)
        socket.receiver = session
        packet = websocket_frame(TEXT, self._open_packet(session, upgrades=[]))
        early = take_over(request, accept, socket, packet)
        self._opened(session)
        if early:
            socket.data_received(early)
        return TakenOver()

    def _upgrade(self, session: Session, request: web.Request) -> web.Response:
        socket = self._new_socket()
        early = take_over(request, accept_key(request), socket, b"")
        if not session.begin_upgrade(socket):
            # Refused as the reference server does: opened, then closed.
            socket.close(1008)
        if early:
            socket.data_received(early)
        return TakenOver()

    def _admit(self, request: web.Request) -> None:
        refusal = SHUTTING_DOWN if self._emptied is not None else self.options.admit(request)
        if refusal is not None:
            self.counts.refused[refusal.status] += 1
            raise RequestRefusedError(refusal)

    def _new_session(self, request: web.Request) -> Session:
        client = Client(self.options.client_address(request), request.headers, request.query)
        return Session(self, self.generate_id(), client)

    def _new_socket(self) -> WebSocket:
        return WebSocket(self.limits, self.sockets)

    def _open_packet(self, session: Session, upgrades: list[str]) -> bytes:
        limits = self.limits
        return b"0" + msgspec.json.encode(
            {
                "sid": session.id,
                "upgrades": upgrades,
                "pingInterval": round(limits.ping_interval * 1000),
                "pingTimeout": round(limits.ping_timeout * 1000),
                "maxPayload": limits.max_payload,
            }
        )

    def _opened(self, session: Session) -> None:
        self.sessions[session.id] = session
        self._addresses[session.client.address] += 1
        self.counts.opened += 1
        self.pings.start(session)
        self.greetings.start(session)
        self._call("connect", session)

    def _call(self, event: str, session: Session, *details: object) -> None:
        handler = self._handlers.get(event)
        if handler is None:
            return
        try:
            handler(session, *details)
        except Exception:  # a fault above must not leave the transport half-way through its work
            log.exception("engine handler failed", engine_event=event, session=session.id)
            session.close(Reason.SERVER_ERROR)
