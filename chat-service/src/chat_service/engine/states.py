"""The states of a session, the ways between them, and the reasons for which it ends."""

from enum import Enum, StrEnum


class State(Enum):
    """Where a session is in its life; TRANSITIONS lists the only ways from one to the next."""

    POLLING = "polling"
    """Packets go out with polls."""
    PROBING = "probing"
    """As POLLING, and a WebSocket is attached that has not sent its probe."""
    UPGRADING = "upgrading"
    """As POLLING, and the WebSocket's probe is answered; polls are answered at once."""
    WEBSOCKET = "websocket"
    """Packets go out on the WebSocket; HTTP requests are refused."""
    CLOSING = "closing"
    """Ended for the layer above; the client's part of the close is waited for."""
    CLOSED = "closed"
    """Nothing is left of it."""


TRANSITIONS: dict[State, frozenset[State]] = {
    State.POLLING: frozenset({State.PROBING, State.CLOSING, State.CLOSED}),
    State.PROBING: frozenset({State.POLLING, State.UPGRADING, State.CLOSING, State.CLOSED}),
    State.UPGRADING: frozenset({State.POLLING, State.WEBSOCKET, State.CLOSING, State.CLOSED}),
    State.WEBSOCKET: frozenset({State.CLOSING, State.CLOSED}),
    State.CLOSING: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}

ENDED = frozenset({State.CLOSING, State.CLOSED})


class Reason(StrEnum):
    """Why a session, or a connection to one of its namespaces, ended."""

    TRANSPORT_CLOSE = "transport close"
    TRANSPORT_ERROR = "transport error"
    PING_TIMEOUT = "ping timeout"
    PARSE_ERROR = "parse error"
    SLOW_READER = "slow reader"
    CONNECT_TIMEOUT = "connect timeout"
    CLIENT_DISCONNECT = "client disconnect"
    SERVER_DISCONNECT = "server disconnect"
    SERVER_SHUTDOWN = "server shutdown"
    SERVER_ERROR = "server error"


# RFC 6455, section 7.4.1.
CLOSE_CODES: dict[Reason, int] = {
    Reason.TRANSPORT_CLOSE: 1000,
    Reason.TRANSPORT_ERROR: 1002,
    Reason.PING_TIMEOUT: 1001,
    Reason.PARSE_ERROR: 1002,
    Reason.SLOW_READER: 1008,
    Reason.CONNECT_TIMEOUT: 1008,
    Reason.CLIENT_DISCONNECT: 1000,
    Reason.SERVER_DISCONNECT: 1000,
    Reason.SERVER_SHUTDOWN: 1001,
    Reason.SERVER_ERROR: 1011,
}
