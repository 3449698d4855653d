"""Judges a recorded history against the logs as they are in the end: what a chat must never do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from history import History, Opening, Sent, Shown, Stream
from rest_people import LogEntry

_SHOWN_VIOLATIONS = 20


def said_in(entry: LogEntry) -> int | None:
    """The hash of a message's text, as clients record it."""
    return hash(entry.body["text"]) if entry.kind == "message" and "text" in entry.body else None


def assert_sound(
    history: History, logs: Mapping[str, Sequence[LogEntry]], *, complete: Collection[str] = ()
) -> None:
    """Fail with every violation found. Streams of the clients `complete` must reach the logs' ends."""
    found = list(violations(history, logs, complete=complete))
    assert not found, f"{len(found)} violations:\n" + "\n".join(found[:_SHOWN_VIOLATIONS])


def violations(
    history: History, logs: Mapping[str, Sequence[LogEntry]], *, complete: Collection[str] = ()
) -> Iterator[str]:
    """Everything in the history that the final logs (whole, by room) contradict."""
    yield from history.complaints
    by_room: dict[str, list[Sent]] = defaultdict(list)
    for sent in history.sends:
        by_room[sent.room].append(sent)
    for room, log in logs.items():
        yield from _log_is_whole(room, log)
        yield from _acked_once(by_room[room], log)
        yield from _nothing_from_nowhere(by_room[room], log)
        yield from _order_of_each_client(by_room[room], log)
        yield from _order_of_time(by_room[room])
    for stream in history.streams.values():
        if stream.room in logs:
            yield from _shown_as_logged(stream, logs[stream.room], complete=stream.client in complete)


def _log_is_whole(room: str, log: Sequence[LogEntry]) -> Iterator[str]:
    """Seqs are 1, 2, 3 …, ids and keys are used once."""
    for place, entry in enumerate(log, start=1):
        if entry.seq != place:
            yield f"{room}: seq {entry.seq} stands where {place} belongs"
            return
    ids: dict[str, int] = {}
    keys: dict[tuple[str, str], int] = {}
    for entry in log:
        if entry.id in ids:
            yield f"{room}: {entry.seq} has the id of {ids[entry.id]}"
        ids[entry.id] = entry.seq
        if entry.key:
            if (entry.sender, entry.key) in keys:
                yield f"{room}: {entry.seq} repeats the key of {keys[entry.sender, entry.key]}"
            keys[entry.sender, entry.key] = entry.seq


def _acked_once(sends: Sequence[Sent], log: Sequence[LogEntry]) -> Iterator[str]:
    """Every receipt names the one entry that holds the message."""
    for sent in sends:
        for ack in sent.acks:
            if not 1 <= ack.seq <= len(log):
                yield f"{_name(sent)}: acked at {ack.seq}, the log ends at {len(log)}"
                continue
            entry = log[ack.seq - 1]
            if (entry.id, entry.sender, entry.key, said_in(entry)) != (ack.id, sent.sender, sent.key, sent.said):
                yield f"{_name(sent)}: acked at {ack.seq}, where something else stands"
        if len({(ack.seq, ack.id) for ack in sent.acks}) > 1:
            yield f"{_name(sent)}: acked at different places"


def _nothing_from_nowhere(sends: Sequence[Sent], log: Sequence[LogEntry]) -> Iterator[str]:
    """Every message with a client's key was sent by a client as it stands, and not refused for good."""
    known = {(sent.sender, sent.key): sent for sent in sends}
    senders = {sent.sender for sent in sends}
    for entry in log:
        if entry.kind != "message" or not entry.key or entry.sender not in senders:
            continue
        sent = known.get((entry.sender, entry.key))
        if sent is None or sent.begun is None or sent.said != said_in(entry):
            yield f"{entry.seq} ({entry.sender}, {entry.key}): nobody sent this"
        elif sent.refused_for_good:
            yield f"{_name(sent)}: stored at {entry.seq} though refused"


def _order_of_each_client(sends: Sequence[Sent], log: Sequence[LogEntry]) -> Iterator[str]:
    """What one client sent stands in the order sent.

    A client has one connection at a time and repeats on a new one, in order, before it goes on. An answer
    that asks for a repeat breaks the order for whatever was on its way by then: such sends are left out.
    """
    places = {(entry.sender, entry.key): entry.seq for entry in log if entry.key}
    last: dict[str, tuple[int, Sent]] = {}
    for sent in sends:
        seq = places.get((sent.sender, sent.key))
        if seq is None or sent.refusals:
            continue
        before = last.get(sent.client)
        if before is not None and before[0] >= seq:
            yield f"{_name(sent)}: stands at {seq}, before {_name(before[1])} at {before[0]}, which was sent first"
        last[sent.client] = seq, sent


def _order_of_time(sends: Sequence[Sent]) -> Iterator[str]:
    """A send that began when another one had been acked stands behind that one, whoever sent them."""
    known = [sent for sent in sends if sent.acks]
    begun = sorted(known, key=lambda one: one.begun or 0)
    acked = sorted(known, key=lambda one: one.acks[0].at)
    newest, position = 0, 0
    for sent in begun:
        while position < len(acked) and acked[position].acks[0].at < (sent.begun or 0):
            newest = max(newest, acked[position].acks[0].seq)
            position += 1
        if sent.acks[0].seq <= newest:
            yield f"{_name(sent)}: stands at {sent.acks[0].seq}, but {newest} was acked before it was sent"


def _shown_as_logged(stream: Stream, log: Sequence[LogEntry], *, complete: bool) -> Iterator[str]:
    """What a client was shown is the log itself: every entry once, in order, without a hole."""
    where = f"{stream.client} in {stream.room}"
    position: int | None = None
    for step in stream.steps:
        if isinstance(step, Opening):
            yield from _opened_rightly(where, step, position, log)
            position = step.position
        elif position is None:
            yield f"{where}: {step.seq} before the room was open"
        else:
            if step.seq != position + 1:
                yield f"{where}: {step.seq} after {position}"
            yield from _is_logged(where, step, log)
            position = step.seq
    if complete and position != len(log):
        yield f"{where}: shown up to {position}, the log ends at {len(log)}"


def _opened_rightly(where: str, opening: Opening, position: int | None, log: Sequence[LogEntry]) -> Iterator[str]:
    if not opening.reset:
        if opening.position != position:
            yield f"{where}: went on behind {opening.position}, though it holds {position}"
        return
    if position is not None and opening.position < position:
        yield f"{where}: reset to {opening.position}, though it holds {position} already"
    if opening.position > len(log):
        yield f"{where}: reset to {opening.position}, the log ends at {len(log)}"
    seqs = [message.seq for message in opening.page]
    if seqs != sorted(set(seqs)) or (seqs and seqs[-1] > opening.position):
        yield f"{where}: reset to {opening.position} with the messages {seqs}"
    newest = [entry.seq for entry in log[: opening.position] if entry.kind == "message"]
    if seqs != newest[len(newest) - len(seqs) :]:
        yield f"{where}: reset to {opening.position} lacks some of the newest messages"
    for message in opening.page:
        yield from _is_logged(where, message, log)


def _is_logged(where: str, shown: Shown, log: Sequence[LogEntry]) -> Iterator[str]:
    if not 1 <= shown.seq <= len(log):
        yield f"{where}: shown {shown.seq}, the log ends at {len(log)}"
        return
    entry = log[shown.seq - 1]
    if (shown.id, shown.kind, shown.sender, shown.key) != (entry.id, entry.kind, entry.sender, entry.key):
        yield f"{where}: shown another {shown.seq} than the log has"
    elif shown.said != said_in(entry):
        yield f"{where}: shown another text at {shown.seq} than the log has"


def _name(sent: Sent) -> str:
    return f"{sent.client}'s {sent.key} in {sent.room}"
