"""What may be in a log: judged from the log alone, entry after entry."""

from __future__ import annotations

from collections.abc import Sequence

from chat_service.model.entries import Entry
from chat_service.model.errors import ChatError
from chat_service.model.redaction import Redactions
from chat_service.model.rooms import RoomState
from chat_service.model.writes import Write, judge


def fold_all(entries: Sequence[Entry]) -> RoomState:
    """The room after all of `entries`."""
    state = RoomState(entries[0].room)
    for entry in entries:
        state.apply(entry)
    return state


def check_log(entries: Sequence[Entry]) -> None:
    """Assert that seqs are 1..n, keys are single, and every entry was allowed after those before it."""
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1)), "a hole, or a seq taken twice"
    keys = [(entry.sender, entry.key) for entry in entries]
    assert len(set(keys)) == len(keys), "a key is stored twice"
    for entry in entries:
        refusal = refusal_after(entries[: entry.seq - 1], write_of(entry))
        assert refusal is None, f"entry {entry.seq} ({entry.kind}) was not allowed: {refusal}"


def refusal_after(entries: Sequence[Entry], write: Write) -> ChatError | None:
    """Why `write` may not stand behind `entries`; None where it may."""
    state = fold_all(entries) if entries else RoomState("")
    redactions = Redactions.of(entries)
    seq = write.refers_to()
    referred = redactions.mask(entries[seq - 1]) if seq is not None and seq <= len(entries) else None
    try:
        judge(state, write, referred)
    except ChatError as refusal:
        return refusal
    return None


def write_of(entry: Entry) -> Write:
    """The request that made an entry."""
    return Write(entry.kind, entry.sender, entry.key, entry.digest, entry.body, entry.target, entry.own_key)
