"""The state of one room that two writers append to, as tuples that hash and compare by value."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

NODES = (0, 1)
NODE_NAMES = ("A", "B")

Phase = Literal["idle", "read last", "read entries", "check", "insert"]
AnswerKind = Literal["ack", "duplicate", "key_reused", "refused", "gone", "failed", "unknown"]


class Send(NamedTuple):
    """What one client sends, once, on one connection to one node."""

    name: str
    node: int
    connection: str
    sender: str
    key: str
    digest: str = "d1"
    bans: str = ""
    lifts: str = ""
    about: str = ""
    """The message that it is about; refused once that is deleted."""
    deletes: str = ""
    follows: int | None = None
    """The send whose answer the client waits for first; None where it is sent without waiting."""


class Entry(NamedTuple):
    """A stored send. Its id is the pair itself: each node that builds an entry makes an id of its own."""

    send: int
    node: int


class Answer(NamedTuple):
    """What a client is told.

    `refused`: for a ban, which may be lifted. `gone`: what it is about was deleted, for ever. `failed`: not
    tried, because an earlier send of its connection failed.
    """

    kind: AnswerKind
    seq: int = 0
    entry: Entry | None = None


class Command(NamedTuple):
    """One ordered insert on its way through the server; abandoned once its writer stopped waiting."""

    node: int
    first: int
    entries: tuple[Entry, ...]
    done: int = 0
    stopped: bool = False
    abandoned: bool = False

    @property
    def finished(self) -> bool:
        return self.stopped or self.done == len(self.entries)


class Handover(NamedTuple):
    """A batch on the bus for the other node."""

    number: int
    origin: int
    sends: tuple[int, ...]


class Reply(NamedTuple):
    """The receiver's answer to one send of a hand-over, on its way back."""

    send: int
    answer: Answer


class Published(NamedTuple):
    """An appended entry on the room's bus channel."""

    seq: int
    entry: Entry


class Writer(NamedTuple):
    """One node's writer for the room."""

    waiting: tuple[int, ...]
    """Unanswered sends in the order received; a batch stays in it until it is answered."""
    known: tuple[Entry, ...]
    """The log as far as this writer has seen it; `last` is its length."""
    forgotten: int
    """How many of the oldest known entries have keys that are no longer in memory."""
    phase: Phase = "idle"
    batch: tuple[int, ...] = ()
    last: int = 0
    """The end of the log as just read, between reading it and reading the entries up to it."""
    must_read: bool = False
    """Set by a lost race and by an unknown outcome: what is known may not be the end of the log."""
    cold: bool = False
    """Just started: the next read leaves no keys in memory."""
    confirmed: bool = False
    """The log was read after this batch was taken."""
    unsettled: bool = False
    """The last append came back short or not at all."""
    has_lost: bool = False
    tried: frozenset[int] = frozenset()
    """Unanswered sends that were in an insert or a hand-over: the store may have them, or get them late."""
    handed_over: tuple[int, ...] = ()
    """Sends of the unanswered hand-over."""
    doubtful: frozenset[int] = frozenset()
    """Unanswered sends of hand-overs that were given up: the receiver may store them at any time."""
    served: frozenset[Handover] = frozenset()
    """Hand-overs taken so far. Their numbers ascend: each is taken once, and none after a later one."""


class Doubt(NamedTuple):
    """A request of unknown outcome that the other node may yet store, and the connection it came by."""

    connection: str
    key: str
    digest: str


class State(NamedTuple):
    """Everything that a step can look at."""

    log: tuple[Entry, ...]
    committed: int
    """How much of the log a majority holds: readable, and never lost again."""
    hole: bool
    commands: tuple[Command, ...]
    writers: tuple[Writer, Writer]
    answers: tuple[Answer | None, ...]
    unsent: frozenset[int]
    closed: frozenset[str]
    """Connections that may send nothing more to the room."""
    doubts: frozenset[Doubt]
    """Connections that may send nothing more to the room until they have repeated this request."""
    handovers: frozenset[Handover]
    replies: frozenset[Reply]
    published: frozenset[Published]
    timeouts_left: int
    deadlines_left: int
    failovers_left: int
    crashes_left: int
    handovers_left: int


class Step(NamedTuple):
    """One thing that happened, to which node, and the state after it."""

    event: str
    node: int
    state: State


@dataclass(frozen=True)
class Scenario:
    """Who sends what to which node, and how many faults of each kind may happen meanwhile."""

    name: str
    sends: tuple[Send, ...]
    history: tuple[int, ...] = ()
    """Sends stored before the model starts; no writer has their keys in memory."""
    unique_keys: bool = False
    """The server has a proven unique index on (sender, key)."""
    batch_limit: int = 2
    timeouts: int = 0
    deadlines: int = 0
    """How often a writer may tell a client that an outcome is unknown."""
    failovers: int = 0
    crashes: int = 0
    handovers: int = 0
    bus_repeats: bool = False
    publishes: bool = False


def with_writer(state: State, node: int, writer: Writer) -> State:
    """The state with one node's writer replaced."""
    other = state.writers[1 - node]
    return state._replace(writers=(writer, other) if node == 0 else (other, writer))


def put_answer(state: State, send: int, answer: Answer) -> State:
    """The state with a client answered; only the first answer reaches it."""
    if state.answers[send] is not None:
        return state
    return state._replace(
        answers=(*state.answers[:send], answer, *state.answers[send + 1 :]),
        replies=frozenset(reply for reply in state.replies if reply.send != send),
    )


def doubt_of(send: Send) -> Doubt:
    """The doubt about a send."""
    return Doubt(send.connection, send.key, send.digest)


def same_key(one: Send, other: Send) -> bool:
    """Whether two sends carry one idempotency key: keys are the sender's own."""
    return one.key == other.key and one.sender == other.sender
