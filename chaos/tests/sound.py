"""A small round in which everything went right: what checks have to be content with, and tests break by hand."""

from __future__ import annotations

from chaos.history import (
    Acked,
    Attempt,
    Connection,
    Departure,
    Ending,
    History,
    Injection,
    Kind,
    LogEntry,
    MemoryUse,
    Message,
    Opened,
    Operation,
    PresenceSeen,
    Probe,
    Shown,
    Standing,
)

ROOM = "room"
ANN, BOB, CARL = "ann", "bob", "carl"

# ann owns the room; carl is removed from it at 10, and hears nothing later.
LOG = [
    LogEntry(1, "i1", "create", ANN),
    LogEntry(2, "i2", "join", ANN, person=BOB),
    LogEntry(3, "i3", "join", ANN, person=CARL),
    LogEntry(4, "i4", "message", ANN, "a.1", "one"),
    LogEntry(5, "i5", "message", BOB, "b.1", "two"),
    LogEntry(6, "i6", "edit", ANN, "a.2", "one, edited", target=4),
    LogEntry(7, "i7", "reaction", BOB, "b.2", target=4, emoji="👍"),
    LogEntry(8, "i8", "message", ANN, "a.3", None, redacted=True),
    LogEntry(9, "i9", "delete", ANN, "a.4", target=8),
    LogEntry(10, "i10", "leave", ANN, "o.1", person=CARL),
    LogEntry(11, "i11", "message", BOB, "b.3", "three"),
    LogEntry(12, "i12", "message", ANN, "a.5", "four"),
]
FOLDED = (
    Message(4, "i4", ANN, "a.1", "one, edited", frozenset({("👍", BOB)})),
    Message(5, "i5", BOB, "b.1", "two"),
    Message(8, "i8", ANN, "a.3", None),
    Message(11, "i11", BOB, "b.3", "three"),
    Message(12, "i12", ANN, "a.5", "four"),
)
_TEXTS = {8: "gone soon"}


def entry(seq: int) -> LogEntry:
    """An entry as it was before anything was taken away."""
    stored = LOG[seq - 1]
    if seq not in _TEXTS:
        return stored
    return LogEntry(stored.seq, stored.id, stored.kind, stored.sender, stored.key, _TEXTS[seq])


def begun(seq: int) -> float:
    """When the operation began whose entry stands at a seq; it is acknowledged half a second later."""
    return 10.0 * seq


def shown(seq: int, *, paged: bool = False) -> Shown:
    """An entry as it reaches a client."""
    return Shown(entry(seq), paged, begun(seq) + 0.6)


def operation(seq: int) -> Operation:
    """The operation that made the entry at a seq, acknowledged at once."""
    made = entry(seq)
    node = "node-0" if made.sender == ANN else "node-1"
    return Operation(
        kind=Kind(made.kind),
        client=f"{made.sender}'s",
        user=made.sender,
        room=ROOM,
        key=made.key,
        text=made.text or "",
        target=made.target or 0,
        person=made.person,
        emoji=made.emoji,
        on=made.on,
        attempts=[Attempt(f"{made.sender}'s#1", node, begun(seq))],
        acks=[Acked(seq, made.id, duplicate=False, node=node, at=begun(seq) + 0.5)],
    )


def opened(
    begun_at: float, held: int | None, position: int, last_seq: int, *page: Message, epoch: str = "e"
) -> Opened:
    """An answer to an opening after which its client is live; it begins anew where it held nothing."""
    return Opened(
        connection="a connection",
        node="node-0",
        begun=begun_at,
        at=begun_at + 0.1,
        epoch=epoch,
        held=held,
        position=position,
        last_seq=last_seq,
        live=True,
        reset=page if held is None else None,
    )


def mark(seq: int, at: float) -> Operation:
    """Bob's read marker moved to a seq, on a connection of his own."""
    attempts, acks = (
        [Attempt("bob's#2", "node-0", at)],
        [Acked(seq, "", duplicate=False, node="node-0", at=at + 0.5)],
    )
    return Operation(Kind.MARK, "bob's", BOB, ROOM, f"m.{seq}", target=seq, attempts=attempts, acks=acks)


def round_() -> tuple[History, Ending]:
    """The round, made anew for each test."""
    history = History(operations=[operation(seq) for seq in range(4, 13)])
    history.operations += [mark(5, 100.0), mark(11, 130.0)]
    history.connections = [Connection(f"{who}'s", f"{who}'s#1", "node-0", 0.0) for who in (ANN, BOB, CARL)]
    history.stream("ann's", ANN, ROOM).steps = [
        opened(35.0, None, 3, 3),
        *(shown(seq) for seq in range(4, 13)),
    ]
    # Bob loses his connection after 6 and resumes: 7 and 8 come in the answer.
    history.stream("bob's", BOB, ROOM).steps = [
        opened(45.0, None, 4, 4, Message(4, "i4", ANN, "a.1", "one")),
        shown(5),
        shown(6),
        opened(85.0, 6, 6, 8),
        shown(7, paged=True),
        shown(8, paged=True),
        *(shown(seq) for seq in range(9, 13)),
    ]
    history.stream("carl's", CARL, ROOM).steps = [opened(35.0, None, 3, 3), *(shown(seq) for seq in range(4, 10))]
    history.injections = [Injection("kill -9", "node-1", 70.0, 80.0)]
    history.departures = [Departure("node-1", 200.0, 203.0, 0, grace_s=15.0)]
    history.memory = [MemoryUse("node-0", before=1000, most=1500, allowed=1000)]
    return history, _ending()


def _ending() -> Ending:
    return Ending(
        logs={ROOM: {"node-0": list(LOG), "node-1": list(LOG)}},
        folded={ROOM: (12, FOLDED)},
        standings=[
            Standing("node-0", ANN, ROOM, last_seq=12, read_seq=0, unread=2),
            Standing("node-1", BOB, ROOM, last_seq=12, read_seq=11, unread=1),
        ],
        presence=[PresenceSeen("node-0", ROOM, 210.0, frozenset({ANN, BOB}), frozenset({ANN, BOB}))],
        probes=[Probe("ann's", ROOM, 220.0, 220.1, 220.2)],
    )
