"""Deciding over a batch of waiting writes: which are appended as what, which are answered at once.

Pure: everything it needs to know is given, so that every interleaving can be replayed as data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chat_service.model.entries import Entry, Kind
from chat_service.model.errors import ChatError, Code, LastingError, not_found
from chat_service.model.rooms import RoomState
from chat_service.model.writes import Write, judge, same_request
from chat_service.rooms.recent import Recent

_TOGETHER = frozenset({Kind.MESSAGE, Kind.REACTION, Kind.EDIT})
"""Kinds that change nothing about whether a later write of the same batch may be."""


class Receipt(msgspec.Struct, frozen=True):
    """The answer to an accepted write: where its entry stands. `duplicate` when it had been stored before."""

    seq: int
    id: str
    ts: int
    duplicate: bool = False


def outcome_of(answer: asyncio.Future[Receipt]) -> str:
    """What became of a write, in a word for metrics: stored, duplicate, or the code of its refusal."""
    if answer.cancelled():
        return "cancelled"
    error = answer.exception()
    if error is not None:
        return str(error.code if isinstance(error, ChatError) else Code.INTERNAL)
    return "duplicate" if answer.result().duplicate else "stored"


@dataclass(slots=True)
class Decision:
    """What becomes of a batch, by position in it.

    `entries` are to be inserted, in order, for the writes at `accepted`. `answers` need no insert. `unsure`
    are keys to look up in the log before this can be decided at all (then everything else is to be
    ignored). Writes that are in neither wait for the next batch.
    """

    entries: list[Entry] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    answers: list[tuple[int, Receipt | ChatError]] = field(default_factory=list)
    repeated: list[Entry] = field(default_factory=list)
    unsure: set[tuple[str, str]] = field(default_factory=set)

    @property
    def refuses(self) -> bool:
        """Whether something is refused because of what the room is like, rather than for its key."""
        problems = (answer for _, answer in self.answers if isinstance(answer, ChatError))
        return any(problem.code is not Code.KEY_REUSED for problem in problems)


@dataclass(slots=True, frozen=True)
class Known:
    """What was read for a batch: keys looked up (None: not in the log), messages referred to, and by the key
    of each message that brings files how those are described that it may bring.
    """

    keys: Mapping[tuple[str, str], Entry | None]
    referred: Mapping[int, Entry]
    files: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)


def decide(
    state: RoomState,
    recent: Recent,
    batch: Sequence[Write],
    known: Known,
    make_entry: Callable[[Write, int], Entry],
    *,
    look_up_every_key: bool,
) -> Decision:
    """Decide over `batch` in the order received, after everything up to `state.head`.

    A write whose key is stored is answered with the first result, before anything else is asked of it. No
    write is refused before its key is known not to be stored: a repeat must get its first result even
    where the room has changed since. The batch is cut where a later write depends on an earlier one.
    """
    decision = Decision()
    keys_here: set[tuple[str, str]] = set()
    for position, write in enumerate(batch):
        key = (write.sender, write.key)
        if key in keys_here:
            break
        stored = recent.with_key(*key) or known.keys.get(key)
        if stored is not None:
            _repeat(decision, position, write, stored)
            if isinstance(decision.answers[-1][1], ChatError):
                break
            continue
        perhaps_stored = recent.after > 0 and key not in known.keys
        refusal = _refusal(state, recent, write, known)
        if perhaps_stored and (look_up_every_key or refusal is not None):
            decision.unsure.add(key)
        if refusal is not None:
            decision.answers.append((position, refusal))
            break
        decision.entries.append(make_entry(write, state.head.seq + 1 + len(decision.entries)))
        decision.accepted.append(position)
        keys_here.add(key)
        if write.kind not in _TOGETHER:
            break
    return decision


def _repeat(decision: Decision, position: int, write: Write, stored: Entry) -> None:
    if same_request(stored, write):
        decision.answers.append((position, Receipt(stored.seq, stored.id, stored.ts, duplicate=True)))
        decision.repeated.append(stored)
    else:
        problem = LastingError(
            Code.KEY_REUSED,
            f"Key {write.key!r} was used for another request (entry {stored.seq}). Make a new key for each.",
        )
        decision.answers.append((position, problem))


def _refusal(state: RoomState, recent: Recent, write: Write, known: Known) -> ChatError | None:
    seq = write.refers_to()
    referred = None if seq is None else recent.at(seq) or known.referred.get(seq)
    try:
        judge(state, write, referred)
        _need_files(write, known)
    except ChatError as refusal:
        return refusal
    return None


def _need_files(write: Write, known: Known) -> None:
    missing = [file for file in write.files() if file not in known.files.get((write.sender, write.key), ())]
    if missing:
        raise not_found(
            f"There is no file {missing[0]} that this message can bring. Upload it to this room first."
        )
