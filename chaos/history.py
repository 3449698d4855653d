"""The history of a round: every operation with its start and end, and everything that clients received.

Times are seconds of one monotonic clock. An operation whose last answer never came is indeterminate: it may or
may not have happened, and neither is held against anybody.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What an operation asks for."""

    SEND = "message"
    EDIT = "edit"
    DELETE = "delete"
    REACT = "reaction"
    JOIN = "join"
    REMOVE = "leave"
    MARK = "mark"


LOGGED = frozenset({Kind.SEND, Kind.EDIT, Kind.DELETE, Kind.REACT, Kind.JOIN, Kind.REMOVE})
"""Kinds that append an entry; its kind has the same word."""


class Outcome(StrEnum):
    """What is known of an operation in the end."""

    OK = "ok"
    REFUSED = "refused"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that an operation went out: on which connection (a name that no other has), to which node."""

    connection: str
    node: str
    at: float


@dataclass(frozen=True, slots=True)
class Acked:
    """The answer of a success. `seq` is where its entry stands, or where a read marker is."""

    seq: int
    id: str
    duplicate: bool
    node: str
    at: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The answer of an error. Only after one that is not `retryable` it is known that nothing was stored."""

    code: str
    retryable: bool
    node: str
    at: float


@dataclass(slots=True, eq=False)
class Operation:
    """One thing that somebody did, however often it was sent.

    `text` is what a message or an edit says, `target` the seq that it points at (or marks, or the person that it
    lets in or removes), `emoji` and `on` belong to reactions. `client` sent it first; others may repeat it.
    An `abandoned` one is not repeated by whoever sent it once its connection is lost.
    """

    kind: Kind
    client: str
    user: str
    room: str
    key: str
    text: str = ""
    target: int = 0
    person: str = ""
    emoji: str = ""
    on: bool = True
    abandoned: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    acks: list[Acked] = field(default_factory=list)
    refusals: list[Refused] = field(default_factory=list)

    @property
    def begun(self) -> float | None:
        """When it went out first; None while it never did."""
        return self.attempts[0].at if self.attempts else None

    @property
    def refused_for_good(self) -> bool:
        """Whether an answer said that it can never be stored."""
        return any(not refusal.retryable for refusal in self.refusals)

    @property
    def outcome(self) -> Outcome:
        """What is known of it."""
        if self.acks:
            return Outcome.OK
        return Outcome.REFUSED if self.refused_for_good else Outcome.INDETERMINATE

    def __str__(self) -> str:
        return f"{self.client}'s {self.kind.value} {self.key} in {self.room}"


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is folded: what is shown of it after everything up to some seq was applied."""

    seq: int
    id: str
    sender: str
    key: str
    text: str | None
    """None where its words were taken away."""
    reactions: frozenset[tuple[str, str]] = frozenset()
    """Pairs of emoji and person."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of a room's log, as a client or a full read was given it.

    `key` is empty where the service made it. `text` is what a message or an edit says, None where there is none or
    it was taken away (`redacted`); `person` is whom a join or a leave is about.
    """

    seq: int
    id: str
    kind: str
    sender: str
    key: str = ""
    text: str | None = None
    target: int | None = None
    emoji: str = ""
    on: bool = True
    person: str = ""
    redacted: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry that a client was shown. `paged` where it came in the answer to an opening."""

    entry: LogEntry
    paged: bool
    at: float


@dataclass(frozen=True, slots=True)
class Opened:
    """One answer to a `room:open`; its entries follow as `Shown`.

    `held` is the seq that the client said it holds (None: nothing), `position` the one that its entries continue:
    `held`, or that of the `reset`. `last_seq` is what the client holds after the answer; `live` unless it has to
    ask for more.
    """

    connection: str
    node: str
    begun: float
    at: float
    epoch: str
    held: int | None
    position: int
    last_seq: int
    live: bool
    reset: tuple[Message, ...] | None = None
    online: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """The client was told that it may not read the room any more; it forgets it."""

    at: float


@dataclass(slots=True)
class Stream:
    """What one client was shown of one room, in the order received."""

    client: str
    user: str
    room: str
    steps: list[Opened | Shown | Ended] = field(default_factory=list)


@dataclass(slots=True)
class Connection:
    """One connection of a client, from its CONNECT answer to its end."""

    client: str
    name: str
    node: str
    opened: float
    ended: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that clients were told beside entries (unread, presence ...), where it matters to a check."""

    client: str
    user: str
    name: str
    room: str
    at: float


class Away(StrEnum):
    """A shared backend that a fault takes from every node at once."""

    STORE = "store"
    BUS = "bus"


@dataclass(slots=True)
class Injection:
    """A fault: what was done, from when until when it was healed (None: not yet).

    `away` is the backend that nobody could use in between, if it was so.
    """

    name: str
    detail: str
    begun: float
    healed: float | None = None
    away: Away | None = None

    def covers(self, at: float, after_s: float = 0.0) -> bool:
        """Whether it was in force at a time, and had been for `after_s`."""
        return self.begun + after_s <= at and (self.healed is None or at <= self.healed)


@dataclass(frozen=True, slots=True)
class Departure:
    """A node that was asked to leave: when, whether it ended inside its grace period, and with which code."""

    node: str
    asked: float
    ended: float | None
    code: int | None
    grace_s: float


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Resident bytes of a node before and at the worst moment of something, and what is allowed."""

    node: str
    before: int
    most: int
    allowed: int


@dataclass(slots=True)
class History:
    """Everything that was recorded of a round."""

    operations: list[Operation] = field(default_factory=list)
    streams: dict[tuple[str, str], Stream] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    injections: list[Injection] = field(default_factory=list)
    departures: list[Departure] = field(default_factory=list)
    memory: list[MemoryUse] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """What a client was told that the protocol does not allow at that point."""

    def stream(self, client: str, user: str, room: str) -> Stream:
        """The stream of a client in a room."""
        return self.streams.setdefault((client, room), Stream(client, user, room))

    @property
    def acked(self) -> int:
        """How many operations that append were acknowledged."""
        return sum(1 for one in self.operations if one.acks and one.kind in LOGGED)

    @property
    def healed(self) -> float:
        """When the last fault was healed; 0 without one."""
        return max((one.healed or one.begun for one in self.injections), default=0.0)


@dataclass(frozen=True, slots=True)
class Standing:
    """One room in somebody's list in the end, as one node shows it."""

    node: str
    user: str
    room: str
    last_seq: int
    read_seq: int
    unread: int


@dataclass(frozen=True, slots=True)
class PresenceSeen:
    """Who a node said is present in a room, and who truly had it open then."""

    node: str
    room: str
    at: float
    told: frozenset[str]
    truth: frozenset[str]


@dataclass(frozen=True, slots=True)
class Probe:
    """A message sent after everything was healed: when, when acked, and when the last reader was shown it."""

    node: str
    room: str
    sent: float
    acked: float | None
    shown_to_all: float | None


@dataclass(slots=True)
class Ending:
    """How everything was once the faults were healed and nothing moved any more."""

    logs: dict[str, dict[str, list[LogEntry]]] = field(default_factory=dict)
    """Whole logs by room, as each node reads them."""
    folded: dict[str, tuple[int, tuple[Message, ...]]] = field(default_factory=dict)
    """The newest messages of each room as the service folds them, and the seq they are as of."""
    standings: list[Standing] = field(default_factory=list)
    presence: list[PresenceSeen] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    never_back: list[str] = field(default_factory=list)
    """Clients that did not come back or were not shown everything."""
    resume_max: int = 1000
    """Entries that the service replays; who missed more may be told to start over."""
    former: dict[tuple[str, str], list[LogEntry]] = field(default_factory=dict)
    """Logs by room and epoch that a restore put an end to."""
    voided: tuple[float, float] | None = None
    """From when until when acknowledgements are void, because a copy from before them was restored."""

    def log(self, room: str) -> list[LogEntry]:
        """The whole log of a room as the first node reads it."""
        return next(iter(self.logs[room].values()), [])
