"""The history of a run: what every client asked for and was told, and when. `history_checker` judges it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Acked:
    """The receipt of a send, and when it came."""

    seq: int
    id: str
    duplicate: bool
    at: float


@dataclass(frozen=True, slots=True)
class Refused:
    """A send that was answered with an error. Only what is not `retryable` is known not to be stored."""

    code: str
    retryable: bool
    at: float


@dataclass(slots=True, eq=False)
class Sent:
    """One message of one client, however often it was sent.

    `said` is the hash of its text. `begun` is when it first went out (None while it never did); `attempts`
    are the numbers of the client's connections that it went out on. Without an ack and without a refusal
    for good nobody knows whether it is stored: that is no failure.
    """

    client: str
    sender: str
    room: str
    key: str
    said: int
    begun: float | None = None
    attempts: list[int] = field(default_factory=list)
    acks: list[Acked] = field(default_factory=list)
    refusals: list[Refused] = field(default_factory=list)

    @property
    def refused_for_good(self) -> bool:
        """Whether it can never be stored."""
        return any(not refusal.retryable for refusal in self.refusals)


@dataclass(frozen=True, slots=True)
class Shown:
    """A message or an entry as a client was shown it; `said` is None for what is no message."""

    seq: int
    id: str
    kind: str
    sender: str
    key: str
    said: int | None
    at: float


@dataclass(frozen=True, slots=True)
class Opening:
    """The answer to a `room:open`: what follows continues behind `position`.

    It is the seq that the client said it holds, or that of the `reset` page, whose messages are `page`.
    """

    connection: int
    epoch: str
    position: int
    reset: bool
    page: tuple[Shown, ...]
    at: float


@dataclass(slots=True)
class Stream:
    """What one client was shown of one room, in the order received."""

    client: str
    room: str
    steps: list[Opening | Shown] = field(default_factory=list)

    @property
    def openings(self) -> list[Opening]:
        """The openings alone."""
        return [step for step in self.steps if isinstance(step, Opening)]

    @property
    def resets(self) -> list[Opening]:
        """The openings that began anew."""
        return [opening for opening in self.openings if opening.reset]


@dataclass(slots=True)
class Link:
    """One connection of a client, from its CONNECT answer to its end."""

    client: str
    number: int
    opened: float
    ended: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice of the server, or an event that is no entry, under its name."""

    client: str
    name: str
    payload: dict[str, Any]
    at: float


@dataclass(slots=True)
class History:
    """Everything that the clients of a run recorded. Times are of one monotonic clock."""

    sends: list[Sent] = field(default_factory=list)
    streams: dict[tuple[str, str], Stream] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    handshakes_refused: list[tuple[float, int, str | None]] = field(default_factory=list)
    """When, with which status, and with which Retry-After."""
    complaints: list[str] = field(default_factory=list)
    """What a client was told that the protocol does not allow at that point."""

    def stream(self, client: str, room: str) -> Stream:
        """The stream of a client in a room."""
        found = self.streams.get((client, room))
        if found is None:
            found = self.streams[client, room] = Stream(client, room)
        return found

    def notices_of(self, client: str, kind: str) -> list[Notice]:
        """The notices of one kind that a client got."""
        return [
            notice
            for notice in self.notices
            if notice.client == client and notice.name == "notice" and notice.payload["kind"] == kind
        ]

    @property
    def acked(self) -> int:
        """How many sends were acked."""
        return sum(1 for sent in self.sends if sent.acks)
