"""Convergence: everybody ends with the same messages, edited, deleted and reacted to as the log says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chaos.history import Ended, Message, Opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from chaos.checks.case import Case
    from chaos.history import LogEntry, Stream


def find(case: Case) -> Iterator[str]:
    """Clients, and the service itself, whose messages are other ones than the log's entries make."""
    expected = {room: fold((), log) for room, log in case.logs.items()}
    for stream in case.streams:
        yield from _differs(f"{stream.client} in {stream.room}", _held(stream), expected[stream.room])
    for room, (as_of, messages) in case.ending.folded.items():
        then = fold((), case.logs[room][:as_of])
        for message in messages:
            # What is taken away later is masked at once.
            if message.text is None and expected[room].get(message.seq, message).text is None:
                continue
            yield from _differs(f"the service in {room} as of {as_of}", {message.seq: message}, then)


def find_unmasked(case: Case) -> Iterator[str]:
    """Words that were handed out in an opening that began after their deletion had been acknowledged."""
    gone: dict[tuple[str, int], float] = {}
    for room, operations in case.writes.items():
        for operation in operations:
            ack = case.first_ack(operation)
            if operation.kind.value == "delete" and ack is not None:
                place = (room, operation.target)
                gone[place] = min(ack.at, gone.get(place, ack.at))
    for stream in case.streams:
        begun = 0.0
        for step in stream.steps:
            if isinstance(step, Opened):
                begun = step.begun
                shown = [(message.seq, message.text) for message in step.reset or ()]
            elif isinstance(step, Ended) or not step.paged or step.entry.kind != "message":
                continue
            else:
                shown = [(step.entry.seq, step.entry.text)]
            for seq, text in shown:
                if text is not None and gone.get((stream.room, seq), begun) < begun:
                    yield f"{stream.client} in {stream.room}: given the words of {seq}, which was deleted before"


def fold(page: Iterable[Message], entries: Iterable[LogEntry]) -> dict[int, Message]:
    """Messages by seq: those of a page with entries applied to them, and those that the entries bring."""
    drafts = {message.seq: _Draft.of(message) for message in page}
    for entry in entries:
        if entry.kind == "message":
            drafts[entry.seq] = _Draft(entry.seq, entry.id, entry.sender, entry.key, entry.text)
            continue
        draft = drafts.get(entry.target) if entry.target is not None else None
        if draft is not None:
            draft.apply(entry)
    return {seq: draft.finished() for seq, draft in drafts.items()}


@dataclass(slots=True)
class _Draft:
    seq: int
    id: str
    sender: str
    key: str
    text: str | None
    reactions: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of(cls, message: Message) -> _Draft:
        return cls(message.seq, message.id, message.sender, message.key, message.text, set(message.reactions))

    def apply(self, entry: LogEntry) -> None:
        if entry.kind == "edit":
            if not entry.redacted and self.text is not None:
                self.text = entry.text
        elif entry.kind == "delete":
            self.text = None
        elif entry.kind == "reaction":
            reaction = (entry.emoji, entry.sender)
            if entry.on:
                self.reactions.add(reaction)
            else:
                self.reactions.discard(reaction)

    def finished(self) -> Message:
        reactions = frozenset() if self.text is None else frozenset(self.reactions)
        return Message(self.seq, self.id, self.sender, self.key, self.text, reactions)


def _held(stream: Stream) -> dict[int, Message]:
    """What a client holds in the end: its last new beginning, and everything after it."""
    page: tuple[Message, ...] = ()
    entries: list[LogEntry] = []
    for step in stream.steps:
        if isinstance(step, Opened):
            if step.reset is not None:
                page, entries = step.reset, []
        elif isinstance(step, Ended):
            page, entries = (), []
        else:
            entries.append(step.entry)
    return fold(page, entries)


def _differs(where: str, held: Mapping[int, Message], expected: Mapping[int, Message]) -> Iterator[str]:
    for seq, message in held.items():
        if seq not in expected:
            yield f"{where}: holds {seq}, which is no message in the log"
        elif message != expected[seq]:
            yield f"{where}: holds {message}, the log makes it {expected[seq]}"
